"""The protocol on the wire, without I/O: OpenAI Realtime with emotion on top."""
