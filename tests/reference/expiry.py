"""A slow second opinion on expiry warnings: JSON lines in, JSON lines out.

Written from the rules in words, with integers of seconds. Nothing here is clever: a ladder is worked out rung by rung,
whether somebody speaks is asked of one moment at a time, and the moment to look again is found by walking.
"""

import functools
import json
import sys
from fractions import Fraction

import tzdata

MINUTE, HOUR, DAY = 60, 3600, 86_400
UNITS = {"w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": 1}
SHARES = [Fraction(30, 100), Fraction(20, 100), Fraction(10, 100), Fraction(3, 100)]


def read(text):
    total, digits = 0, ""
    for letter in text:
        if letter.isdigit():
            digits += letter
        else:
            total, digits = total + int(digits) * UNITS[letter], ""
    return total


def fixed(rungs, life):
    return [rung for rung in rungs if life is None or Fraction(rung) < Fraction(life, 2)]


def scaled(rungs, life):
    if life is None:
        return rungs
    kept = []
    for number, rung in enumerate(rungs):
        share = SHARES[number] if number < 4 else SHARES[3] / 3 ** (number - 3)
        distance = min(rung, int(share * life))
        if distance > 0 and distance not in kept:
            kept.append(distance)
    return kept


def ladder(case):
    """The rungs of a case as seconds before the expiry, the expiry itself at the end."""
    life = None if case["begin"] is None else case["expiry"] - case["begin"]
    if case["rungs"] is not None:
        rungs = [read(text) for text in case["rungs"]]
    elif case["nature"] == "authority":
        rungs = [365 * DAY, 180 * DAY, 90 * DAY, 30 * DAY]
    else:
        rungs = [30 * DAY, 14 * DAY, 7 * DAY, 1 * DAY]
    mode = case["mode"]
    if mode is None:
        short = life is not None and life < 31 * DAY
        mode = "scaled" if case["nature"] == "renews-itself" or short or not fixed(rungs, life) else "fixed"
    return (fixed(rungs, life) if mode == "fixed" else scaled(rungs, life)) + [0]


def trusts(case, rungs, at):
    """Whether the plan is one that somebody would rely on at that moment: it leaves the shortest room that the ladder
    asks for, and it was not missed by more than an hour, nor by more than half of that room."""
    if case["rotation"] != "planned" or at >= case["expiry"]:
        return False
    room = rungs[-2] if len(rungs) > 1 else 0
    leaves_room = case["expiry"] - case["plan"] >= room
    missed_by = at - case["plan"]
    return leaves_room and missed_by < Fraction(min(HOUR * 2, room), 2)


def spoken(case, rungs, told, at):
    """The rung that is told at a moment, with those that it supersedes, or None."""
    reached = [rung for rung in rungs if case["expiry"] - rung <= at]
    news = [rung for rung in reached if told is None or rung < told]
    if not news or trusts(case, rungs, at):
        return None
    return min(news), sorted((rung for rung in news if rung != min(news)), reverse=True)


def why(case, rungs, rung):
    if rung == 0:
        return "expired"
    if case["rotation"] == "planned":
        late = case["expiry"] - case["plan"] < (rungs[-2] if len(rungs) > 1 else 0)
        return "plan-too-late" if late else "rotation-overdue"
    return {"not": "nothing-rotates-it"}.get(case["rotation"], "rotation-" + case["rotation"])


def warning(case):
    """The answer about one standing. `walk` says in which strides the time is walked; without it, the walk goes from
    one moment that could matter to the next, and looks a second before each as well."""
    rungs, told, now = ladder(case), case["told"], case["now"]
    if told == 0:
        return {"never": "expiry-told"}
    said = spoken(case, rungs, told, now)
    if said is not None:
        return {"now": said[0], "superseded": said[1], "reason": why(case, rungs, said[0])}
    end = case["expiry"]
    if case["walk"]:
        moments = range(now, end + case["walk"], case["walk"])
    else:
        marks = {end - rung for rung in rungs} | {end}
        if case["rotation"] == "planned":
            room = rungs[-2] if len(rungs) > 1 else 0
            marks |= {case["plan"], case["plan"] + HOUR, case["plan"] + room // 2, case["plan"] + room // 2 + 1}
        moments = sorted(at for mark in marks for at in (mark - 1, mark) if at > now)
    at = next(at for at in moments if spoken(case, rungs, told, at) is not None)
    silenced = trusts(case, rungs, now)
    return {"at": at, "reason": "plan-in-time" if silenced else "next-rung-ahead"}


@functools.cache
def hours_up(begin, end, downs):
    return [at for at in range(begin, end, HOUR) if not any(low <= at < high for low, high in downs)]


def history(request):
    """What should have been told about one secret: somebody looks at each full hour at which the daemon is up, and
    remembers what was said for each expiry date. The facts change at full hours."""
    facts, downs = request["facts"], tuple(map(tuple, request["downs"]))
    said, told, which = [], {}, -1
    rungs = None
    for at in hours_up(request["from"], request["until"], downs):
        while which + 1 < len(facts) and facts[which + 1]["since"] <= at:
            which, rungs = which + 1, None
        case = facts[which]
        if rungs is None:
            rungs = ladder(case)
        end = case["expiry"]
        new = spoken(case, rungs, told.get(end), at)
        if new is not None:
            said.append([at, end, new[0], new[1], why(case, rungs, new[0])])
            told[end] = new[0]
    return {"said": said}


def answer(request):
    kind = request["kind"]
    if kind == "version":
        return {"version": tzdata.IANA_VERSION}
    return warning(request) if kind == "warning" else history(request)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
