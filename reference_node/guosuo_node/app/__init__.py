"""The node itself: log pipeline, epochs, enrolment, orders; and what it offers to others."""
