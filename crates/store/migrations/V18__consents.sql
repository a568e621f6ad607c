-- What consents say, as the door needs it. A consent itself is a FHIR Consent among the person's records; a rule of it is one
-- provision that permits. Times are microseconds since 1970.

-- Lasting: made from the current version of each Consent, in the transaction that writes it.
-- `grantee` is the code of an institution. `purpose` is `care` or `dispensing`. `institution` is whose records are shown, empty for
-- all. `share` is as `policy::Share::to_text`.
CREATE TABLE consent_rule (
    person BLOB NOT NULL,
    consent BLOB NOT NULL,
    rule INTEGER NOT NULL,
    grantee TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('care', 'dispensing')),
    institution TEXT NOT NULL,
    share TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    PRIMARY KEY (person, consent, rule)
) WITHOUT ROWID;
CREATE INDEX consent_rule_by_consent ON consent_rule (consent);
