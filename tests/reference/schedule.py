"""A slow second opinion about schedules, written from the rules and not from the code under test.

Reads one JSON request a line, answers one JSON line each. Zones come from the PyPI package `tzdata` alone, never from
the host. There is no calendar arithmetic to get wrong: time is walked in small steps, looking at a clock on the wall.
"""

import json
import sys
import zoneinfo
from calendar import monthrange
from datetime import date, datetime, timedelta, timezone

import tzdata

zoneinfo.reset_tzpath(to=[])

DAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
MONTHS = {
    name: number + 1
    for number, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split())
}
HOUR = 3600
GRACE = 300


def weekday(day):
    return day.isoweekday() % 7


class Cron:
    """A cron rule as sets of numbers, and a question a day: does it run on this date?"""

    def __init__(self, text):
        fields = text.upper().split()
        if len(fields) == 5:
            fields.insert(0, "0")
        second, minute, hour, self.dom, month, self.dow = fields
        self.seconds = sorted(self.numbers(second, 0, 59))
        self.minutes = sorted(self.numbers(minute, 0, 59))
        self.hours = sorted(self.numbers(hour, 0, 23))
        self.months = self.numbers(month, 1, 12, MONTHS)
        self.elapsed = "*" in hour or "/" in hour
        self.known = {}

    @staticmethod
    def numbers(field, low, high, names=None):
        names = names or {}
        value = lambda text: names[text] if text in names else int(text)
        found = set()
        for item in field.split(","):
            span, _, step = item.partition("/")
            if span == "*":
                first, last = low, high
            elif "-" in span:
                first, last = (value(end) for end in span.split("-"))
            else:
                first = last = value(span)
            found.update(range(first, last + 1, int(step or 1)))
        return found

    def runs_on(self, day):
        if day not in self.known:
            self.known[day] = self.decide(day)
        return self.known[day]

    def decide(self, day):
        if day.month not in self.months:
            return False
        free_dom, free_dow = self.dom in "*?", self.dow in "*?"
        if free_dom and free_dow:
            return True
        if free_dom:
            return self.on_weekday(day)
        if free_dow:
            return self.on_day_of_month(day)
        return self.on_weekday(day) or self.on_day_of_month(day)

    def on_day_of_month(self, day):
        length = monthrange(day.year, day.month)[1]
        for item in self.dom.split(","):
            if item == "L":
                hit = day.day == length
            elif item == "LW":
                working = [d for d in range(1, length + 1) if date(day.year, day.month, d).isoweekday() < 6]
                hit = day.day == working[-1]
            elif item.endswith("W"):
                hit = day.day == self.nearest_working_day(day, int(item[:-1]), length)
            else:
                hit = day.day in self.numbers(item, 1, 31)
            if hit:
                return True
        return False

    @staticmethod
    def nearest_working_day(day, wanted, length):
        if wanted > length:
            return None
        working = [d for d in range(1, length + 1) if date(day.year, day.month, d).isoweekday() < 6]
        return min(working, key=lambda d: abs(d - wanted))

    def on_weekday(self, day):
        length = monthrange(day.year, day.month)[1]
        for item in self.dow.split(","):
            if "#" in item:
                name, nth = item.split("#")
                hit = weekday(day) == self.named(name) and (day.day + 6) // 7 == int(nth)
            elif item.endswith("L"):
                hit = weekday(day) == self.named(item[:-1]) and day.day + 7 > length
            else:
                hit = weekday(day) in {n % 7 for n in self.weekdays(item)}
            if hit:
                return True
        return False

    @staticmethod
    def named(text):
        return DAYS[text] if text in DAYS else int(text) % 7

    def weekdays(self, item):
        if "-" in item and item.split("-")[1].split("/")[0] == "SUN":
            item = item.replace("-SUN", "-7")
        return self.numbers(item, 0, 6 if item.startswith("*") else 7, DAYS)

    def times_of_day(self):
        return [h * HOUR + m * 60 + s for h in self.hours for m in self.minutes for s in self.seconds]


def shown(zone, instant):
    return datetime.fromtimestamp(instant, zone).replace(tzinfo=None)


def watch(cron, clock, step):
    """Fires of a rule while somebody looks at the clock every step. `clock` is a list of (instant, wall time)."""
    times = set(cron.times_of_day())
    matches = lambda wall: (
        wall.hour * HOUR + wall.minute * 60 + wall.second in times and cron.runs_on(wall.date())
    )
    tick = timedelta(seconds=step)
    fires, swallowed = [], []
    highest = last = clock[0][1] - tick
    for instant, wall in clock:
        if cron.elapsed:
            if matches(wall):
                fires.append(instant)
            jumped = last + tick
            while jumped < wall:
                if matches(jumped):
                    swallowed.append(instant)
                    break
                jumped += tick
        else:
            due = False
            while highest < wall:
                highest += tick
                due = due or matches(highest)
            if due:
                fires.append(instant)
        last = wall
    for instant in swallowed:
        if not any(instant <= other <= instant + HOUR for other in fires):
            fires.append(instant)
    return sorted(fires)


def shifts(zone, start, end):
    found, previous = [], None
    for instant in range(start, end, HOUR // 2):
        offset = datetime.fromtimestamp(instant, zone).utcoffset()
        if previous is not None and offset != previous:
            found.append(instant)
        previous = offset
    return found


def dst(request):
    """Watches the clock around every shift of a zone, or all the time."""
    zone = zoneinfo.ZoneInfo(request["zone"])
    start, end, around = request["from"], request["until"], request["around"]
    moved = shifts(zone, start, end)
    centres = moved + [start + year * 31_557_600 // 60 * 60 for year in range(11)]
    month = 30 * 86_400
    if request["all"]:
        spans = [[at - 3 * HOUR, min(at + month, end) + 2 * HOUR] for at in range(start, end, month)]
    else:
        spans = sorted([at - around, at + around] for at in centres)
    answers = []
    for low, high in spans:
        clock = [(instant, shown(zone, instant)) for instant in range(low, high, 60)]
        # The ends are watched, but not reported: the past of the clock and the hour after a gap decide about them.
        first, last = low + 3 * HOUR, high - 2 * HOUR
        fires = [[at for at in watch(Cron(text), clock, 60) if first <= at < last] for text in request["crons"]]
        answers.append({"from": first, "until": last, "fires": fires})
    return {"shifts": len(moved), "spans": answers}


def instants(zone, wall):
    """Every instant at which the clock shows a wall time, in order; none inside a gap."""
    found = set()
    for fold in (0, 1):
        at = int(wall.replace(tzinfo=zone, fold=fold).timestamp())
        if shown(zone, at) == wall:
            found.add(at)
    return sorted(found)


def resume(zone, wall):
    while not instants(zone, wall):
        wall += timedelta(minutes=1) - timedelta(seconds=wall.second)
    return instants(zone, wall)[0]


def table(request):
    """The next fires of a rule, by trying date after date."""
    zone, cron = zoneinfo.ZoneInfo(request["zone"]), Cron(request["cron"])
    after, until, count = request["after"], request["until"], request["count"]
    times = cron.times_of_day()
    begin = shown(zone, after)
    day, last = begin.date() - timedelta(days=1), shown(zone, until).date() + timedelta(days=1)
    fires, swallowed, enough = set(), set(), None
    while day <= last:
        if cron.runs_on(day):
            midnight = datetime(day.year, day.month, day.day)
            for time in times:
                wall = midnight + timedelta(seconds=time)
                if wall < begin - timedelta(hours=4):
                    continue
                if enough is not None and wall > enough:
                    break
                at = instants(zone, wall)
                if cron.elapsed:
                    fires.update(at)
                    if not at:
                        swallowed.add(resume(zone, wall))
                else:
                    fires.add(at[0] if at else resume(zone, wall))
                if enough is None and sum(after < one <= until for one in fires) >= count:
                    # A repeated or a skipped hour may still put something in between.
                    enough = wall + timedelta(hours=4)
        if enough is not None and datetime(day.year, day.month, day.day) > enough:
            break
        day += timedelta(days=1)
    fires.update(at for at in swallowed if not any(at <= other <= at + HOUR for other in fires))
    return {"fires": sorted(at for at in fires if after < at <= until)[:count]}


class Quarter:
    """A case of missed fires. Everything but `now` lies on quarters of an hour, so time is walked in quarters."""

    STEP = 900

    def __init__(self, request):
        self.zone = zoneinfo.ZoneInfo(request["zone"])
        self.window, self.freezes = request["window"], request["freezes"]
        self.after, self.now, self.skips = request["after"], request["now"], request["skip"]
        end = self.now + 100 * 86_400
        if request["cron"]:
            # Start a little before, so that the clock's past is known.
            clock = [(at, shown(self.zone, at)) for at in range(self.after - 8 * HOUR, end, self.STEP)]
            fires = watch(Cron(request["cron"]), clock, self.STEP)
        else:
            fires = range(self.after + request["every"], end, request["every"])
        self.fires = [at for at in fires if at > self.after]
        self.end = end

    def is_allowed(self, at):
        if any(low <= at < high for low, high in self.freezes):
            return False
        if self.window is None:
            return True
        wall = shown(self.zone, at)
        minutes, today = wall.hour * 60 + wall.minute, weekday(wall.date())
        days, opens, closes = self.window
        if opens < closes:
            return today in days and opens <= minutes < closes
        return (today in days and minutes >= opens) or ((today - 1) % 7 in days and minutes < closes)

    def first_allowed(self, at):
        while at < self.end:
            if self.is_allowed(at):
                return at
            at += self.STEP - at % self.STEP
        return None

    def is_open(self, at):
        if at >= self.now:
            return True
        if not all(self.is_allowed(cell) for cell in range(at, self.now + 1, self.STEP)):
            return False
        return self.is_allowed(self.now) and (self.window is not None or self.now - at <= GRACE)

    def start(self):
        """When the rotation really starts, if somebody looks at `now`."""
        for fire in self.fires:
            placed = self.first_allowed(fire)
            if placed is None or self.is_open(placed):
                return placed and max(placed, self.now)
            if not self.skips:
                return self.first_allowed(self.now)
        return None

    def answer(self):
        gone = [at for at in self.fires if at <= self.now]
        row = [gone[0], gone[-1], len(gone)] if gone else None
        return {"start": self.start(), "missed": row}


def answer(request):
    kind = request["kind"]
    if kind == "version":
        return {"version": tzdata.IANA_VERSION}
    if kind == "dst":
        return dst(request)
    if kind == "table":
        return table(request)
    return Quarter(request).answer()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
