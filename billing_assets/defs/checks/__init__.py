"""Asset checks: sentences that can be false. The comparison itself is a rule of the domain; here it is shown."""
