"""Announce: the doctor's headline as a condition of the Node and as an Event, once the API server can be reached."""
