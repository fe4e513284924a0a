"""A census of a tree of source code, as a durable workflow.

    scripts/run                                   the running Python's standard library, in memory
    scripts/run --root ~/code --batch-size 50     any folder
    scripts/run --redis redis://127.0.0.1:6379/0 --workers 2

`flows/source_census.flow` lists the files in a task, measures them in batches side by side, lets
the child workflow `flows/rank_findings.flow` rank what was found, and returns totals, the longest
functions and the files that are copies of each other. `tasks.py` has the Python that they call,
`measuring.py` what is done to a file. With `--redis` the work is done by worker processes: kill one
of them in the middle, and its share is done by the others.

Files are those that `find ROOT -name '*.py'` finds, links to files included, without folders named
`site-packages`. Lines are counted as `wc -l` does. A tree may have some 15,000 files: their names
and digests travel through the workflow, whose state is limited to 2 MiB.
"""
