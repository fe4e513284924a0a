"""What onboarding asks of Python, and the directory and mailer that its tasks work with.

Both live in the worker's memory, so that the example needs nothing else. Tasks run at least once:
creating and closing an account twice is the same as once, and an e-mail carries a key by which a
mail service can tell a repetition.
"""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from rhythm import Provided, TaskContext, task


class Account(msgspec.Struct):
    """A user's account."""

    user_id: str
    plan: str
    email: str


@dataclass
class Directory:
    """All accounts, by user."""

    accounts: dict[str, Account] = field(default_factory=dict)


@dataclass
class Mailer:
    """Pretends to send e-mail, each key once."""

    sent: dict[str, str] = field(default_factory=dict)

    async def send(self, to: str, template: str, key: str) -> None:
        if key not in self.sent:
            self.sent[key] = f"{template} to {to}"
            print(f"  e-mail: {self.sent[key]}", file=sys.stderr)


@asynccontextmanager
async def resources() -> AsyncIterator[Mapping[type, object]]:
    """What the tasks below find in their `Provided` parameters, made once per worker process."""
    yield {Directory: Directory(), Mailer: Mailer()}


@task
def create_account(userId: str, plan: str, directory: Provided[Directory]) -> Account:
    """The user's account; a second call changes nothing."""
    account = Account(user_id=userId, plan=plan, email=f"{userId}@example.com")
    return directory.accounts.setdefault(userId, account)


@task
def close_account(userId: str, directory: Provided[Directory]) -> None:
    """Remove the user's account, if there is one."""
    directory.accounts.pop(userId, None)


@task
async def send_email(to: str, template: str, mailer: Provided[Mailer], context: TaskContext) -> str:
    """Send one e-mail and say which template it was."""
    await mailer.send(to, template, key=context.idempotency_key)
    return template


@task
def list_accounts(directory: Provided[Directory]) -> list[Account]:
    """All accounts there are."""
    return list(directory.accounts.values())
