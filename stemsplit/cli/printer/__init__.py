"""Everything that is shown: events in, words for people or JSON lines out.

A command shows what happens as it happens: `with printing(...) as show`. What it shows are
events, frozen dataclasses of `command_events`, `batch.events` and `evaluate.evaluation_events`.
There are two printers. `person.PersonPrinter`, which knows terminals and quiet, has a case for
each event that is put into words, and `progress` one for each that moves something.
`json_lines.JsonPrinter` has a table, `json_forms`, of the lines that an event makes. So a new
event is its class, its case, its form, and a row in ../README.md.
"""
