"""Onboarding a user: tasks, a manager's approval by signal, a timer, and a scheduled report.

    .venv/bin/python -m examples.onboarding                       all of it in this process
    .venv/bin/python -m examples.onboarding --redis redis://127.0.0.1:6379/0

`flows/onboard_user.flow` is the workflow, `tasks.py` the Python that it calls, `play.py` the
application around it: it starts an onboarding, approves it, and schedules `daily_report`.

As separate processes, from the project's root:

    .venv/bin/rhythm worker -m examples.onboarding.tasks --workflows examples/onboarding/flows \\
        --resources examples.onboarding.tasks:resources --queue default --queue reports --redis URL
    .venv/bin/rhythm start onboard_user --input userId=123 --input plan=pro --redis URL
    .venv/bin/rhythm signal ID manager-approval --payload '{"approved": true}' --redis URL
"""
