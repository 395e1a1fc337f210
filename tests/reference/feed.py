"""Reads calendars with a parser of another's: JSON lines with the text in, JSON lines with the entries out."""

import json
import sys

import icalendar
import tzdata


def entry(event):
    categories = event.get("CATEGORIES")
    return {
        "uid": str(event["UID"]),
        "summary": str(event["SUMMARY"]),
        "description": str(event.get("DESCRIPTION", "")),
        "at": int(event.decoded("DTSTART").timestamp()),
        "made_at": int(event.decoded("DTSTAMP").timestamp()),
        "categories": [str(one) for one in categories.cats] if categories is not None else [],
    }


def answer(request):
    if request["kind"] == "version":
        return {"version": tzdata.IANA_VERSION}
    read = icalendar.Calendar.from_ical(request["text"])
    broken = [str(error) for part in read.walk() for error in part.errors]
    return {"name": str(read["NAME"]), "entries": [entry(event) for event in read.walk("VEVENT")], "broken": broken}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
