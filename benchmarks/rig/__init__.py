"""What all benchmarks stand on: processes pinned apart, load by wrk, peers in the same run, tables beside budgets.

Method, the same as the harness that measured the peers: the server runs on one core and the load on another, every
server is stopped (SIGSTOP) while another one is measured, rounds are interleaved over the contenders, and figures are
medians. Rates swing with the machine, ratios within one run do not.
"""
