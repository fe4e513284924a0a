"""From the tree of a function to Python text that runs it.

`functions.lower` is the door. `lowering` keeps the state and the rules that all share, `facts`
looks ahead, and the rest lowers one subject each: `expressions`, `operators`, `calls`,
`assignments`, `statements`, `loops`, `exits`. `liveness` looks at what came out.
"""

from flowlang.compiler.functions import Lowered, lower
from flowlang.compiler.lowering import AwaitPoint, Constants, Place, ScopePlaces

__all__ = ["AwaitPoint", "Constants", "Lowered", "Place", "ScopePlaces", "lower"]
