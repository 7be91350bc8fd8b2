-- Version 1 of the tables. Times that end in _ms are by this server's clock, in milliseconds since 1970; times called
-- `at` or ending in _at are wall times of processes, in nanoseconds since 1970. Ids are ordered by their bytes.

CREATE TABLE partyline.accounts (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE
);

CREATE TABLE partyline.processes (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    owner TEXT COLLATE "C" NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    command TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (account, owner)
);

-- The sets of numbers that calls may be placed from.
CREATE TABLE partyline.choices (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    numbers TEXT COLLATE "C" NOT NULL,
    -- Of the text: an index takes no long ones.
    digest TEXT COLLATE "C" NOT NULL,
    UNIQUE (account, digest)
);
CREATE TABLE partyline.choice_numbers (
    choice BIGINT NOT NULL REFERENCES partyline.choices (id),
    number TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (choice, number)
);

CREATE TABLE partyline.batches (
    seq BIGINT GENERATED ALWAYS AS IDENTITY,
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    id TEXT COLLATE "C" NOT NULL,
    file TEXT NOT NULL,
    total BIGINT NOT NULL,
    options TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    opened_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (account, id)
);

CREATE TABLE partyline.calls (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    agent TEXT COLLATE "C",
    callee TEXT COLLATE "C",
    choice BIGINT REFERENCES partyline.choices (id),
    -- The queue is served in this order.
    turn BIGINT NOT NULL,
    submitted_at BIGINT NOT NULL,
    taken_ms BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    key TEXT COLLATE "C",
    batch TEXT COLLATE "C",
    line BIGINT,
    row_agent TEXT,
    repeats TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    stage TEXT,
    reason TEXT,
    dialed TEXT NOT NULL,
    detail TEXT,
    number TEXT COLLATE "C",
    conversation TEXT,
    provider_call_id TEXT,
    proof TEXT,
    given_up BOOLEAN NOT NULL DEFAULT false,
    -- The process that has it, by which of its claims, and the process that handed it in.
    owner TEXT COLLATE "C",
    claim BIGINT NOT NULL DEFAULT 0,
    origin TEXT COLLATE "C",
    closed BOOLEAN NOT NULL DEFAULT false,
    closed_ms BIGINT,
    cancel BOOLEAN NOT NULL DEFAULT false,
    -- Its batch does not go on, so it is not handed out.
    held BOOLEAN NOT NULL DEFAULT false,
    -- The transaction that changed it last.
    changed BIGINT NOT NULL
);
-- No index of all calls begins with the account: most stores have one, and before the first statistics that index would
-- look good for everything.
CREATE UNIQUE INDEX calls_id ON partyline.calls (id, account);
CREATE UNIQUE INDEX calls_key ON partyline.calls (key, account) WHERE key IS NOT NULL;
CREATE INDEX calls_free ON partyline.calls (choice, turn, seq) WHERE owner IS NULL AND NOT closed AND NOT held;
CREATE INDEX calls_claimed ON partyline.calls (choice, owner) WHERE owner IS NOT NULL;
CREATE INDEX calls_owner ON partyline.calls (account, owner, claim) WHERE owner IS NOT NULL;
CREATE INDEX calls_cancel ON partyline.calls (owner) WHERE cancel AND NOT closed;
CREATE INDEX calls_live ON partyline.calls (account) WHERE NOT closed AND state IN ('in_doubt', 'initiated', 'unknown');
CREATE INDEX calls_callee ON partyline.calls (callee);
CREATE INDEX calls_closed ON partyline.calls (closed_ms) WHERE closed;
CREATE INDEX calls_whole ON partyline.calls (closed_ms) WHERE closed AND callee <> 'erased';
CREATE INDEX calls_batch_line ON partyline.calls (batch, account, line) WHERE batch IS NOT NULL;
CREATE INDEX calls_batch_changed ON partyline.calls (batch, account, changed, seq) WHERE batch IS NOT NULL;
CREATE INDEX calls_batch_state ON partyline.calls (batch, account, state, closed) WHERE batch IS NOT NULL;
-- Each call is written several times on its way: what that leaves behind is cleared away early.
ALTER TABLE partyline.calls SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- `payload` is the event in the form that `format` names; old forms stay readable.
CREATE TABLE partyline.events (
    call BIGINT NOT NULL REFERENCES partyline.calls (seq) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    format BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (call, version)
);

CREATE TABLE partyline.intents (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    attempt TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" NOT NULL,
    call TEXT COLLATE "C",
    epoch BIGINT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    opened_ms BIGINT NOT NULL,
    send_by_ms BIGINT NOT NULL,
    format BIGINT NOT NULL,
    payload TEXT NOT NULL,
    -- Kept after that, so that a repeated commit is known as one.
    resolved_ms BIGINT,
    UNIQUE (attempt, account)
);
CREATE INDEX intents_number ON partyline.intents (number, account) WHERE resolved_ms IS NULL;
CREATE INDEX intents_call ON partyline.intents (call, account) WHERE call IS NOT NULL AND resolved_ms IS NULL;
CREATE INDEX intents_resolved ON partyline.intents (resolved_ms) WHERE resolved_ms IS NOT NULL;

CREATE TABLE partyline.leases (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    claim BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account, number)
);
CREATE INDEX leases_owner ON partyline.leases (account, owner);

-- What outlives a lease: its epoch, so that none comes twice, and the last change that was meant.
CREATE TABLE partyline.numbers (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    changed BOOLEAN NOT NULL DEFAULT false,
    agent TEXT COLLATE "C",
    PRIMARY KEY (account, number)
);

-- Who answered a number before it was changed, and the agents that we have assigned since.
CREATE TABLE partyline.inbound (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    agent TEXT COLLATE "C",
    PRIMARY KEY (account, number)
);
CREATE TABLE partyline.ours (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account, number, agent)
);

CREATE TABLE partyline.wishes (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (account, number, owner)
);

-- Evidence, and when it was gathered.
CREATE TABLE partyline.agents (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    agent TEXT COLLATE "C" NOT NULL,
    asked_ms BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (account, agent)
);
CREATE TABLE partyline.seen (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    number TEXT COLLATE "C" NOT NULL,
    confirmed_ms BIGINT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (account, number)
);

CREATE TABLE partyline.permits (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    attempt TEXT COLLATE "C" NOT NULL,
    call TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    granted_ms BIGINT NOT NULL,
    PRIMARY KEY (account, attempt)
);
CREATE TABLE partyline.rates (
    account BIGINT NOT NULL REFERENCES partyline.accounts (id),
    kind TEXT NOT NULL,
    next_us BIGINT NOT NULL,
    PRIMARY KEY (account, kind)
);
