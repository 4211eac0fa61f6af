"""The HTTP face: authentication, the ARM envelope, one router module per resource family."""
