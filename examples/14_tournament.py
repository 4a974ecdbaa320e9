"""A tournament: a concept, three variants of it, three tests of each, and a choice; the work of tasks that make tasks.

Run it with `python examples/14_tournament.py`. What stands for an agent here is plain code, so that it comes out the
same each time; a model would be asked in the same places.
"""

from collections import Counter

from taskq import Task, TaskContext, TaskQueue, TaskWorker

STYLES = ("brief", "friendly", "exact")
TESTS = ("short enough", "names the thing", "easy words")
runs: Counter[str] = Counter()


def tournament(task: Task, ctx: TaskContext) -> dict:
    """The whole of it. It is run from its start whenever what it waits for is there; what it has noted, it knows."""
    runs["tournament"] += 1
    concept = ctx.get_checkpoint()
    if concept is None:
        concept = think_of(task.payload)
        ctx.checkpoint(concept)
    variants = ctx.fanout([Task(task_type="write", payload={"concept": concept, "style": style}) for style in STYLES])
    texts = [variant["result"] for variant in variants]
    tests = [
        Task(task_type="test", payload={"text": text, "test": test}, retry_delay=0) for text in texts for test in TESTS
    ]
    points = [result["result"] for result in ctx.fanout(tests)]
    scores = [sum(points[n : n + len(TESTS)]) for n in range(0, len(points), len(TESTS))]
    best = scores.index(max(scores))
    return {"winner": STYLES[best], "text": texts[best], "scores": dict(zip(STYLES, scores, strict=True))}


def think_of(thing: str) -> dict:
    """Asked once, however often the tournament is run: the answer is in the checkpoint."""
    runs["concept"] += 1
    return {"thing": thing, "benefit": "stays dry inside"}


def write(task: Task) -> str:
    """One variant. The children run side by side, on any worker."""
    runs["write"] += 1
    concept = task.payload["concept"]
    forms = {
        "brief": f"{concept['thing']}: {concept['benefit']}.",
        "friendly": f"You will love how {concept['thing']} {concept['benefit']}, whatever the weather does to you!",
        "exact": f"Tested at 40 mm of precipitation hourly, it {concept['benefit']}.",
    }
    return forms[task.payload["style"]]


def test(task: Task, ctx: TaskContext) -> int:
    """Points of one variant in one test, 0 to 10. The first one fails at first, as a judge may."""
    runs["test"] += 1
    if runs["test"] == 1:
        raise ConnectionError("the judge is not there yet")
    text = task.payload["text"]
    words = text.split()
    return {
        "short enough": max(0, 10 - len(text) // 20),
        "names the thing": 10 if "tent" in text else 0,
        "easy words": round(10 * sum(len(word) < 7 for word in words) / len(words)),
    }[task.payload["test"]]


def register(worker: TaskWorker) -> None:
    for handler in (tournament, write, test):
        worker.register_handler(handler.__name__, handler)


def main() -> None:
    with TaskQueue(prefix="examples") as queue:
        task_id = queue.submit_task(Task(task_type="tournament", payload="a tent", priority="high"))
        while queue.get_task_result(task_id) is None:
            worker = TaskWorker(queue, concurrency=4)  # usually: taskq worker, as many as you like
            register(worker)
            worker.run_until_empty()
        result = queue.wait_for_result(task_id, timeout=30)
        for style, points in result["result"]["scores"].items():
            print(f"  {style:<9} {points} points")
        print(f"winner: {result['result']['winner']}: {result['result']['text']}")
        print(
            f"concepts: {runs['concept']}, variants: {runs['write']}, tests: {runs['test']} with one that was repeated"
        )
        print(f"attempts of the tournament: {result['attempts']}, runs of its code: {runs['tournament']}")


if __name__ == "__main__":
    main()
