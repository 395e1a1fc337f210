"""Reads calendars with two parsers of others': JSON lines with the text in, JSON lines with the entries out.

icalendar before 7 loses backslashes (collective/icalendar#1008) and parts a category at its comma, and 7 asks for newer
zone data than the tests' own; so it is asked only where there is neither. vobject is always asked.
"""

import json
import sys
from datetime import timezone

import icalendar
import tzdata
import vobject


def seconds(at):
    return int(at.replace(tzinfo=at.tzinfo or timezone.utc).timestamp())


def by_vobject(text):
    read = vobject.readOne(text)
    read.validate(raiseException=True)

    def value(part, name, default=""):
        return part.contents[name][0].value if name in part.contents else default

    entries = [
        {
            "uid": value(event, "uid"),
            "summary": value(event, "summary"),
            "description": value(event, "description"),
            "at": seconds(value(event, "dtstart")),
            "made_at": seconds(value(event, "dtstamp")),
            "categories": value(event, "categories", []),
        }
        for event in read.contents.get("vevent", [])
    ]
    return {"name": value(read, "name"), "entries": entries}


def by_icalendar(text):
    read = icalendar.Calendar.from_ical(text)
    for part in read.walk():
        assert not part.errors, part.errors

    def entry(event):
        categories = event.get("CATEGORIES")
        return {
            "uid": str(event["UID"]),
            "summary": str(event["SUMMARY"]),
            "description": str(event.get("DESCRIPTION", "")),
            "at": seconds(event.decoded("DTSTART")),
            "made_at": seconds(event.decoded("DTSTAMP")),
            "categories": [str(one) for one in categories.cats] if categories is not None else [],
        }

    return {"name": str(read["NAME"]), "entries": [entry(event) for event in read.walk("VEVENT")]}


def answer(request):
    if request["kind"] == "version":
        return {"version": tzdata.IANA_VERSION}
    text = request["text"]
    reads = {"vobject": by_vobject(text)}
    lines = text.replace("\r\n ", "").split("\r\n")
    if not any("\\\\" in line or line.startswith("CATEGORIES") and "\\," in line for line in lines):
        reads["icalendar"] = by_icalendar(text)
    return reads


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
