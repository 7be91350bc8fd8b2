-- Version 1 of the tables. Times that end in _ms are by this machine's clock, in milliseconds since 1970; times called
-- `at` or ending in _at are wall times of processes, in nanoseconds since 1970.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('salt', lower(hex(randomblob(32))));

-- Grows with each transaction that changes calls: the order in which they took effect.
CREATE TABLE clock (tick INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);

CREATE TABLE accounts (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE) STRICT;

-- `wakes` grows with everything a process does that may concern others.
CREATE TABLE processes (
    account INTEGER NOT NULL REFERENCES accounts (id),
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    command TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    wakes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, owner)
) STRICT, WITHOUT ROWID;

-- The sets of numbers that calls may be placed from.
CREATE TABLE choices (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    numbers TEXT NOT NULL,
    UNIQUE (account, numbers)
) STRICT;
CREATE TABLE choice_numbers (
    choice INTEGER NOT NULL REFERENCES choices (id),
    number TEXT NOT NULL,
    PRIMARY KEY (choice, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    account INTEGER NOT NULL REFERENCES accounts (id),
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    file TEXT NOT NULL,
    total INTEGER NOT NULL,
    options TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    seq INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    agent TEXT,
    callee TEXT,
    choice INTEGER REFERENCES choices (id),
    -- The queue is served in this order.
    turn INTEGER NOT NULL,
    submitted_at INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    key TEXT,
    batch TEXT,
    line INTEGER,
    row_agent TEXT,
    repeats TEXT,
    state TEXT NOT NULL,
    stage TEXT,
    reason TEXT,
    dialed TEXT NOT NULL,
    detail TEXT,
    number TEXT,
    conversation TEXT,
    provider_call_id TEXT,
    proof TEXT,
    given_up INTEGER NOT NULL DEFAULT 0,
    -- The process that has it, by which of its claims, and the process that handed it in.
    owner TEXT,
    claim INTEGER NOT NULL DEFAULT 0,
    origin TEXT,
    closed INTEGER NOT NULL DEFAULT 0,
    closed_ms INTEGER,
    cancel INTEGER NOT NULL DEFAULT 0,
    -- Its batch does not go on, so it is not handed out.
    held INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL
) STRICT;
-- No index of all calls begins with the account: most stores have one, and that index would look good for everything.
CREATE UNIQUE INDEX calls_id ON calls (id, account);
CREATE UNIQUE INDEX calls_key ON calls (key, account) WHERE key IS NOT NULL;
CREATE INDEX calls_free ON calls (choice, turn, seq) WHERE owner IS NULL AND closed = 0 AND held = 0;
CREATE INDEX calls_claimed ON calls (choice, owner) WHERE owner IS NOT NULL;
CREATE INDEX calls_owner ON calls (account, owner, claim) WHERE owner IS NOT NULL;
CREATE INDEX calls_cancel ON calls (owner) WHERE cancel = 1 AND closed = 0;
CREATE INDEX calls_live ON calls (account) WHERE closed = 0 AND state IN ('in_doubt', 'initiated', 'unknown');
CREATE INDEX calls_callee ON calls (callee);
CREATE INDEX calls_closed ON calls (closed_ms) WHERE closed = 1;
CREATE INDEX calls_whole ON calls (closed_ms) WHERE closed = 1 AND callee <> 'erased';
CREATE INDEX calls_batch_line ON calls (batch, account, line) WHERE batch IS NOT NULL;
CREATE INDEX calls_batch_changed ON calls (batch, account, changed, seq) WHERE batch IS NOT NULL;
CREATE INDEX calls_batch_state ON calls (batch, account, state, closed) WHERE batch IS NOT NULL;

-- `payload` is the event in the form that `format` names; old forms stay readable.
CREATE TABLE events (
    call INTEGER NOT NULL REFERENCES calls (seq) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    format INTEGER NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (call, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE intents (
    seq INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    attempt TEXT NOT NULL,
    number TEXT NOT NULL,
    call TEXT,
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    send_by_ms INTEGER NOT NULL,
    format INTEGER NOT NULL,
    payload TEXT NOT NULL,
    -- Kept after that, so that a repeated commit is known as one.
    resolved_ms INTEGER,
    UNIQUE (attempt, account)
) STRICT;
CREATE INDEX intents_number ON intents (number, account) WHERE resolved_ms IS NULL;
CREATE INDEX intents_call ON intents (call, account) WHERE call IS NOT NULL AND resolved_ms IS NULL;
CREATE INDEX intents_resolved ON intents (resolved_ms) WHERE resolved_ms IS NOT NULL;

CREATE TABLE leases (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    claim INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_owner ON leases (account, owner);

-- What outlives a lease: its epoch, so that none comes twice, and the last change that was meant.
CREATE TABLE numbers (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    agent TEXT,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;

-- Who answered a number before it was changed, and the agents that we have assigned since.
CREATE TABLE inbound (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    agent TEXT,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE ours (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    agent TEXT NOT NULL,
    PRIMARY KEY (account, number, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE wishes (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    owner TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (account, number, owner)
) STRICT, WITHOUT ROWID;

-- Evidence, and when it was gathered.
CREATE TABLE agents (
    account INTEGER NOT NULL REFERENCES accounts (id),
    agent TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (account, agent)
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    account INTEGER NOT NULL REFERENCES accounts (id),
    number TEXT NOT NULL,
    confirmed_ms INTEGER NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (account, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE permits (
    account INTEGER NOT NULL REFERENCES accounts (id),
    attempt TEXT NOT NULL,
    call TEXT NOT NULL,
    owner TEXT NOT NULL,
    granted_ms INTEGER NOT NULL,
    PRIMARY KEY (account, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE rates (
    account INTEGER NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    next_us INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
