"""Every event on the wire as a typed model: what is checked on the way in, and what `/schema` tells. No behaviour."""
