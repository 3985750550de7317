"""Load on the service: how many live sessions one core carries.

Open loop: every speaker sends on a schedule of its own and never waits for the server; latency counts from the time at
which the sound that led to an event was due, not from when it was sent. The load comes from another process on another
core and tells how late it was itself: a run in which it was late is void.
"""
