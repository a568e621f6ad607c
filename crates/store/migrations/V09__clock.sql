-- Lasting: where an operator let time go on anew after a clock that had run ahead was set right. Rows up to these, and times
-- before, hold the clock up no more. Times are microseconds since 1970 UTC.
CREATE TABLE clock_floor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    floor_us INTEGER NOT NULL,
    version_row INTEGER NOT NULL,
    access_row INTEGER NOT NULL
) STRICT;
