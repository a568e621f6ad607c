-- Roles that accounts are appointed to, and what an access of somebody else than the person points to. Times are microseconds since
-- 1970. Free text stands sealed (crates/store/src/sealed.rs). `subject` is a person, or one patient of an institution.

-- Lasting, as before, with more roles. `institution` is empty where a role is held at none.
CREATE TABLE account_right_wider (
    account BLOB NOT NULL,
    role TEXT NOT NULL CHECK (role IN (
        'depositor', 'operator', 'support', 'clinician', 'pharmacist', 'researcher', 'steward', 'security-officer', 'auditor',
        'administrator'
    )),
    institution TEXT NOT NULL,
    PRIMARY KEY (account, role, institution)
) WITHOUT ROWID;
INSERT INTO account_right_wider SELECT account, role, institution FROM account_right;
DROP TABLE account_right;
ALTER TABLE account_right_wider RENAME TO account_right;

-- Lasting: who may look at whose records, why and until when. Open once somebody else confirmed it; a broken glass is open at once.
-- `institution` is empty where it reaches what every institution has; `share` is as `policy::Share::to_text`.
CREATE TABLE access_ground (
    subject BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('request', 'visit', 'order', 'migration', 'break-glass')),
    account BLOB NOT NULL,
    role TEXT NOT NULL,
    institution TEXT NOT NULL,
    share TEXT NOT NULL,
    reason BLOB NOT NULL,
    asked_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    confirmed_by BLOB,
    confirmed_us INTEGER,
    closed_by BLOB,
    closed_us INTEGER,
    PRIMARY KEY (subject, id)
) WITHOUT ROWID;
CREATE INDEX access_ground_by_id ON access_ground (id);
CREATE INDEX access_ground_by_account ON access_ground (account, until_us);

-- Lasting: broken glass and its review. `second` is the account that was told at once.
CREATE TABLE broken_glass (
    subject BLOB NOT NULL,
    ground BLOB NOT NULL,
    account BLOB NOT NULL,
    second BLOB NOT NULL,
    broken_us INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    reviewer BLOB,
    reviewed_us INTEGER,
    outcome TEXT CHECK (outcome IN ('justified', 'not-justified')),
    note BLOB,
    PRIMARY KEY (subject, ground)
) WITHOUT ROWID;
CREATE INDEX broken_glass_by_due ON broken_glass (due_us) WHERE reviewed_us IS NULL;

-- Lasting: what an account is told of a broken glass, until it has seen it.
CREATE TABLE access_notice (
    account BLOB NOT NULL,
    ground BLOB NOT NULL,
    told_us INTEGER NOT NULL,
    seen_us INTEGER,
    PRIMARY KEY (account, ground)
) WITHOUT ROWID;

-- Lasting: who may act for a person. `edition` is that of policies/representatives.toml under which the proofs were checked.
CREATE TABLE representative (
    person BLOB NOT NULL,
    id BLOB NOT NULL,
    agent BLOB NOT NULL,
    proof_case TEXT NOT NULL,
    edition TEXT NOT NULL,
    institution TEXT NOT NULL,
    share TEXT NOT NULL,
    recorded_by BLOB NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    ended_by BLOB,
    ended_us INTEGER,
    PRIMARY KEY (person, id)
) WITHOUT ROWID;
CREATE INDEX representative_by_id ON representative (id);
CREATE INDEX representative_by_agent ON representative (agent, until_us);

-- Lasting: what was seen for it, by whom and when.
CREATE TABLE representative_proof (
    person BLOB NOT NULL,
    representative BLOB NOT NULL,
    proof TEXT NOT NULL,
    seen_by BLOB NOT NULL,
    seen_us INTEGER NOT NULL,
    PRIMARY KEY (person, representative, proof)
) WITHOUT ROWID;
