"""BBS signatures: the IETF draft's interface, and the parts our credentials share."""
