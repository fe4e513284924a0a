"""From the tree of a function to Python text that runs it.

`functions.lower` is the door. `lowering` keeps the state and the rules that all share, `facts`
looks ahead, and the rest lowers one subject each: `expressions`, `operators`, `calls`,
`assignments`, `statements`, `loops`, `exits`. `liveness` looks at what came out; `stops` says where
stepping code stops.
"""

from flowlang.compiler.functions import Lowered, lower
from flowlang.compiler.lowering import AwaitPoint, Constants, Place, ScopePlaces
from flowlang.compiler.stops import StopPoint, StopPoints

__all__ = [
    "AwaitPoint",
    "Constants",
    "Lowered",
    "Place",
    "ScopePlaces",
    "StopPoint",
    "StopPoints",
    "lower",
]
