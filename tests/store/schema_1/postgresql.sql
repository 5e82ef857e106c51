CREATE TABLE event (
    seq SERIAL NOT NULL,
    op_id VARCHAR(200) NOT NULL,
    ts VARCHAR(40) NOT NULL,
    annotator VARCHAR(80) NOT NULL,
    kind VARCHAR(20) NOT NULL,
    window_uid VARCHAR(16),
    undoes VARCHAR(200),
    payload VARCHAR NOT NULL,
    prev_hash VARCHAR(64) NOT NULL,
    hash VARCHAR(64) NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (op_id),
    UNIQUE (undoes)
);

CREATE INDEX event_by_window ON event (window_uid);

CREATE TABLE meta (
    key VARCHAR(40) NOT NULL,
    value VARCHAR(200) NOT NULL,
    PRIMARY KEY (key)
);

CREATE TABLE series (
    series_id VARCHAR(200) NOT NULL,
    kind VARCHAR(10) NOT NULL,
    symbol VARCHAR(200) NOT NULL,
    bar VARCHAR(20),
    tick_size FLOAT,
    content_hash VARCHAR(64) NOT NULL,
    n_bars INTEGER NOT NULL,
    start_ts VARCHAR(40),
    end_ts VARCHAR(40),
    source VARCHAR(400) NOT NULL,
    PRIMARY KEY (series_id),
    CHECK (kind IN ('feed', 'window')),
    CHECK (n_bars >= 105)
);

CREATE TABLE "window" (
    window_uid VARCHAR(16) NOT NULL,
    series_id VARCHAR(200) NOT NULL,
    bar_start INTEGER NOT NULL,
    n_bars INTEGER NOT NULL,
    start_ts VARCHAR(40),
    PRIMARY KEY (window_uid),
    UNIQUE (series_id, bar_start, n_bars),
    CHECK (bar_start >= 0),
    CHECK (n_bars = 105),
    FOREIGN KEY(series_id) REFERENCES series (series_id)
);

CREATE TABLE proposal (
    proposal_id VARCHAR(16) NOT NULL,
    window_uid VARCHAR(16) NOT NULL,
    series_id VARCHAR(200) NOT NULL,
    source VARCHAR(40) NOT NULL,
    seq_start INTEGER NOT NULL,
    seq_end INTEGER NOT NULL,
    direction VARCHAR(4),
    type VARCHAR(20) NOT NULL,
    score FLOAT NOT NULL,
    PRIMARY KEY (proposal_id),
    CHECK (seq_start >= 0),
    CHECK (seq_end - seq_start BETWEEN 0 AND 104),
    CHECK (type IN ('consolidation', 'retracement', 'reversal')),
    CHECK (direction IN ('up', 'down')),
    FOREIGN KEY(window_uid) REFERENCES "window" (window_uid),
    FOREIGN KEY(series_id) REFERENCES series (series_id)
);

CREATE INDEX proposal_by_bar ON proposal (series_id, seq_start);

CREATE TABLE review (
    window_uid VARCHAR(16) NOT NULL,
    annotator VARCHAR(80) NOT NULL,
    state VARCHAR(10),
    reason VARCHAR(20),
    note VARCHAR NOT NULL,
    rev INTEGER NOT NULL,
    updated_at VARCHAR(40) NOT NULL,
    PRIMARY KEY (window_uid, annotator),
    CHECK (state IN ('verified', 'edited', 'rejected', 'flagged', 'stale')),
    CHECK (reason IN ('no_expansion', 'ambiguous_start', 'ambiguous_end', 'too_small', 'chop', 'news_spike', 'gap_or_halt', 'roll', 'bad_bars', 'cut_by_view', 'duplicate', 'other')),
    CHECK ((COALESCE(state, '') = 'rejected') = (reason IS NOT NULL)),
    CHECK (rev >= 1),
    FOREIGN KEY(window_uid) REFERENCES "window" (window_uid)
);

CREATE TABLE window_alias (
    alias VARCHAR(200) NOT NULL,
    source VARCHAR(400) NOT NULL,
    window_uid VARCHAR(16) NOT NULL,
    PRIMARY KEY (alias, source),
    FOREIGN KEY(window_uid) REFERENCES "window" (window_uid)
);

CREATE INDEX window_alias_by_window ON window_alias (window_uid);

CREATE TABLE span (
    span_id VARCHAR(20) NOT NULL,
    series_id VARCHAR(200) NOT NULL,
    annotator VARCHAR(80) NOT NULL,
    seq_start INTEGER NOT NULL,
    seq_end INTEGER NOT NULL,
    type VARCHAR(20) NOT NULL,
    direction VARCHAR(4),
    origin VARCHAR(10) NOT NULL,
    proposal_id VARCHAR(16),
    deleted_at VARCHAR(40),
    PRIMARY KEY (span_id),
    CHECK (seq_start >= 0),
    CHECK (seq_end - seq_start BETWEEN 0 AND 104),
    CHECK (type IN ('consolidation', 'retracement', 'reversal')),
    CHECK (direction IN ('up', 'down')),
    CHECK (origin IN ('human', 'accepted', 'edited', 'import')),
    FOREIGN KEY(series_id) REFERENCES series (series_id),
    FOREIGN KEY(proposal_id) REFERENCES proposal (proposal_id)
);

CREATE INDEX span_by_bar ON span (series_id, annotator, seq_start)
