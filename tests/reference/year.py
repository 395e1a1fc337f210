"""A second opinion about a year of rotations: which occurrences there were, when each rotation was published, and what
is planned next. Written from the rules, one secret at a time, in whole seconds.

Reads one JSON request a line, a secret with its schedule and the lives of the daemon, and answers every history that
the rules allow: a daemon that is killed at the very second at which something is due may have done it, half of it or
nothing. That alone is told apart by what was published.
"""

import json
import sys
import zoneinfo
from bisect import bisect_right

import schedule

QUARTER = 900
GRACE = 300
DAY = 86_400


class Secret:
    def __init__(self, request):
        self.id, self.start, self.end = request["id"], request["start"], request["end"]
        self.every, self.jitter, self.skips = request["every"], request["jitter"], request["skip"]
        self.zone = zoneinfo.ZoneInfo(request["zone"])
        self.window, self.freezes = request["window"], request["freezes"]
        self.lives, self.requests = request["lives"], request["requests"]
        self.calendar = None
        if request["cron"]:
            ask = {"zone": request["zone"], "cron": request["cron"], "after": self.start}
            table = lambda until: schedule.table({**ask, "until": until, "count": 100_000})["fires"]
            self.calendar = table(self.end + 40 * DAY)
            if not self.calendar or self.calendar[-1] <= self.end:
                self.calendar = table(self.end + 4 * 366 * DAY)

    # The rule.

    def next_fire(self, anchor, after):
        if self.calendar is not None:
            at = bisect_right(self.calendar, after)
            return self.calendar[at] if at < len(self.calendar) else None
        if self.every is None:
            return None
        passed = max(0, (after - anchor) // self.every)
        return anchor + (passed + 1) * self.every

    def fires(self, anchor, after, until):
        found, at = [], self.next_fire(anchor, after)
        while at is not None and at <= until:
            found.append(at)
            at = self.next_fire(anchor, at)
        return found

    # Window and freezes, looked at quarter by quarter.

    def is_allowed(self, at):
        if any(low <= at < high for low, high in self.freezes):
            return False
        if self.window is None:
            return True
        wall = schedule.shown(self.zone, at)
        minutes, today = wall.hour * 60 + wall.minute, schedule.weekday(wall.date())
        days, opens, closes = self.window
        if opens < closes:
            return today in days and opens <= minutes < closes
        return (today in days and minutes >= opens) or ((today - 1) % 7 in days and minutes < closes)

    def first_allowed(self, at):
        while not self.is_allowed(at):
            at += QUARTER - at % QUARTER
        return at

    def placed(self, anchor, fire):
        if fire is None:
            return None
        base = self.first_allowed(fire)
        if not self.jitter:
            return base
        following = base + self.every if self.calendar is None else self.next_fire(anchor, base)
        room = min(self.jitter, following - base)
        return base + room * hashed(self.id) // 2**64

    def is_on_time(self, at, now):
        """Whether what should have begun at `at` may begin now as if nothing had happened."""
        if at > now:
            return False
        cells = [at] + list(range(at + QUARTER - at % QUARTER, now + 1, QUARTER)) + [now]
        if not all(self.is_allowed(cell) for cell in cells):
            return False
        return self.window is not None or now - at <= GRACE


def hashed(text):
    """FNV-1a of 64 bits, finished as SplitMix64 does it."""
    mask, value = 2**64 - 1, 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & mask
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & mask
    value = (value ^ value >> 27) * 0x94D049BB133111EB & mask
    return value ^ value >> 31


class History:
    """What has happened so far. Rows are [origin, first, last, count, end]."""

    def __init__(self, secret):
        self.anchor = secret.start
        self.plan = secret.placed(self.anchor, secret.next_fire(self.anchor, self.anchor))
        self.open, self.asked, self.is_running = None, None, False
        self.rows, self.published = [], []

    def copy(self):
        twin = object.__new__(History)
        twin.__dict__ = {**self.__dict__, "rows": list(self.rows), "published": list(self.published)}
        return twin

    def fire(self, secret, now):
        passed = [self.plan] + secret.fires(self.anchor, self.plan, now)
        upcoming = secret.placed(self.anchor, secret.next_fire(self.anchor, now))
        wanted = passed
        if secret.skips:
            last = passed[-1]
            moment = last if len(passed) == 1 else secret.placed(self.anchor, last)
            if moment > now:
                wanted, passed, upcoming = [], passed[:-1], moment
            elif secret.is_on_time(moment, now):
                wanted, passed = passed[-1:], passed[:-1]
            else:
                wanted = []
            if passed:
                self.rows.append(["planned", passed[0], passed[-1], len(passed), "missed"])
        if wanted and self.open:
            self.open = [self.open[0], wanted[-1], self.open[2] + len(wanted)]
        elif wanted:
            self.open = [wanted[0], wanted[-1], len(wanted)]
        self.plan = upcoming

    def publish(self, secret, now):
        if self.plan is not None and self.plan <= now:
            self.fire(secret, now)
        if self.open:
            self.rows.append(["planned", *self.open, "done"])
        if self.asked is not None:
            self.rows.append(["requested", self.asked, self.asked, 1, "done"])
        self.open, self.asked, self.is_running = None, None, False
        self.published.append(now)
        self.anchor = now
        self.plan = secret.placed(now, secret.next_fire(now, now))

    def next_action(self, secret, now):
        """What comes next, and when: a running rotation first, then a fire, then a start."""
        if self.is_running:
            return now, "publish"
        options = []
        if self.plan is not None:
            options.append((max(now, self.plan), 0, "fire"))
        if self.asked is not None:
            options.append((max(now, self.asked), 1, "start"))
        if self.open:
            options.append((secret.first_allowed(max(now, self.open[0])), 1, "start"))
        if not options:
            return None, None
        at, _, what = min(options)
        return at, what

    def act(self, secret, what, now):
        if what == "fire":
            self.fire(secret, now)
        elif what == "start":
            self.is_running = True
        else:
            self.publish(secret, now)


def live(secret, history, begin, end, is_torn):
    """One life of the daemon. Yields the histories that it may leave."""
    asks = [at for at in secret.requests if begin < at <= end]
    now = begin
    while True:
        at, what = history.next_action(secret, now)
        if asks and (at is None or asks[0] < at):
            now = asks.pop(0)
            history.asked = now
            continue
        if at is None or at > end:
            break
        if is_torn and at == end:
            yield history.copy()
        now = at
        history.act(secret, what, now)
    yield history


def year(request):
    """What was published when tells the histories apart after a kill; it decides nothing else."""
    secret, seen = Secret(request), request["published"]
    histories = [History(secret)]
    for begin, end, is_torn in secret.lives:
        afters = [after for before in histories for after in live(secret, before, begin, end, is_torn)]
        possible = [after for after in afters if after.published == seen[: len(after.published)]]
        # Where nothing fits, the first shows what the rules expect.
        different = {str(sorted(vars(after).items())): after for after in possible or afters[:1]}
        histories = list(different.values())
    return [
        {"rows": sorted(one.rows), "published": one.published, "open": one.open, "due": one.plan} for one in histories
    ]


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        reply = {"version": schedule.tzdata.IANA_VERSION} if asked["kind"] == "version" else {"histories": year(asked)}
        print(json.dumps(reply), flush=True)
