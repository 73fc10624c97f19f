"""Enrolment, epoch keys, renewals, the board and its proofs."""
