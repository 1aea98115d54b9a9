"""What is measured: a module each, imported by the process that measures it and by no other.

A module's `prepare` opens what a process opens once (clients, input), `run` is what the clock is held to, and
`answers` says afterwards what was found, so that all can be asked whether they agree.
"""
