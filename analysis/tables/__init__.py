"""Tables computed from the frames."""
