# The Python half of a mixed fleet: an actor of its own, and a message for one in TypeScript.
# Run: REDIS_URL=redis://127.0.0.1:6379 dramatiq python_tasks, and python3 python_tasks.py to send
# Prints: shouted: HELLO, and in the TypeScript worker: add(1, 2, -3, 0) = 0
import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

broker = RedisBroker(url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="python")
def shout(text):
    print("shouted:", text.upper(), flush=True)


def send_to_typescript(actor_name, *args, **kwargs):
    """Sends a message to an actor that no Python module declares."""
    broker.enqueue(
        dramatiq.Message(
            queue_name="default", actor_name=actor_name, args=args, kwargs=kwargs, options={}
        )
    )


if __name__ == "__main__":
    broker.declare_queue("default")
    send_to_typescript("add", 1, 2, -3, 0)
