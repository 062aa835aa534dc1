"""Reports on tests from inside the process that runs them: standard library only, Python 3.8 and later.

It runs in the sandbox, beside code of strangers, in their interpreter; siblings are imported relatively because the
package's name there is `miyabi_report`.
"""
