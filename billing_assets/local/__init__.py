"""The embedded stack: AWS and Snowflake as emulators on this machine, for a first look, for tests and for offline work.

Lives here: starting, finding and stopping the two servers (`stack`), what runs inside them (`aws_server`,
`snowflake_server`), the mends that make the Snowflake emulator answer as Snowflake does (`snowflake_mend`,
`snowflake_transactions`), and the sample data (`sample`).
Lives elsewhere: everything that knows what a bill is. No other room imports this one, except the command line,
so that a production install needs neither emulator.

Needs Linux or macOS: the servers are guarded by file locks and process groups.
"""
