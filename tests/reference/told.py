"""The ideal notices of a year: which rung of which date is told, when, by a daemon that is sometimes down.

Reads one JSON object from standard input: `items` (name, and `dates`: pairs of when a date became known and the date,
in seconds), `downs` (pairs from, to), `end`. Answers a list of [name, date, rung in seconds], told in order. Walks from
moment to moment at which something can change; knows nothing of how keywheel does it.
"""

import json
import sys

DAY = 86_400
RUNGS = [30 * DAY, 14 * DAY, 7 * DAY, DAY, 0]


def is_down(downs, at):
    return any(begin <= at < end for begin, end in downs)


def moments(item, downs, end):
    times = {end}
    for known_at, date in item["dates"]:
        times.add(known_at)
        times.update(date - rung for rung in RUNGS)
    times.update(back for _, back in downs)
    return sorted(time for time in times if time <= end)


def told_of(item, downs, end):
    told, least = [], {}
    for now in moments(item, downs, end):
        if is_down(downs, now):
            continue
        known = [date for known_at, date in item["dates"] if known_at <= now]
        if not known:
            continue
        date = known[-1]
        reached = [rung for rung in RUNGS if date - rung <= now]
        if not reached:
            continue
        rung = min(reached)
        if rung < least.get(date, 1 << 60):
            least[date] = rung
            told.append([now, item["name"], date, rung])
    return told


def main():
    asked = json.load(sys.stdin)
    told = []
    for item in asked["items"]:
        told.extend(told_of(item, asked["downs"], asked["end"]))
    told.sort()
    json.dump([entry[1:] for entry in told], sys.stdout)


main()
