-- How far a scrub of the sites is, so that one that was broken off goes on. Disposable.
CREATE TABLE scrub_cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    begun_us INTEGER NOT NULL,
    part INTEGER NOT NULL,
    place INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;
-- Lasting: what the last scrub that came to its end found at each site. Times are microseconds since 1970 UTC.
CREATE TABLE site_scrub (
    site TEXT NOT NULL PRIMARY KEY,
    begun_us INTEGER NOT NULL,
    ended_us INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    missing INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    repaired INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    fault TEXT
) STRICT;
-- Lasting: restore drills, one row each: from which site an installation was made again, and whether it came out equal.
CREATE TABLE restore_drill (
    begun_us INTEGER NOT NULL PRIMARY KEY,
    site TEXT NOT NULL,
    ended_us INTEGER NOT NULL,
    equal INTEGER NOT NULL,
    resources INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    result TEXT NOT NULL
) STRICT;
