"""How fast we are next to others and next to what the machine can do: `python -m benchmarks`, or `make bench`.

Lives here: invented workloads, a server that speaks enough S3 and DynamoDB from memory, the competitors, each measured
in a fresh process, and the report. Ours is always the assets' own code path, never a copy of it. Nothing of the
package imports this.
"""
