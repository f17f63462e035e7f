-- catalog.db, schema 1.
--
-- History (ops, segments, devices) is the truth; entities is what it folds into; everything below is a
-- projection of entities that only `project.rs` writes.

CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    id     INTEGER PRIMARY KEY,
    device BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE segments (
    id     INTEGER PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES devices (id),
    seq    INTEGER NOT NULL,
    root   BLOB NOT NULL,
    -- Where the segment lies is known: its bytes need not be kept here.
    placed INTEGER NOT NULL,
    -- The outbox: the final bytes of a segment that was closed here, until it is placed.
    bytes  BLOB,
    UNIQUE (device, seq)
) STRICT;

CREATE INDEX segments_to_place ON segments (id) WHERE placed = 0;

CREATE TABLE ops (
    number  INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    -- The packed stamp with its highest bit flipped, so that it sorts as a signed number.
    stamp   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    device  INTEGER NOT NULL,
    -- NULL: not yet closed into a segment.
    segment INTEGER,
    -- The entity that it changes, if it changes one.
    entity  INTEGER,
    -- Whether a person is shown this op in the history; what programs derived is not.
    listed  INTEGER NOT NULL,
    bytes   BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX ops_by_id ON ops (session, counter);
CREATE INDEX ops_open ON ops (number) WHERE segment IS NULL;
CREATE INDEX ops_by_segment ON ops (segment) WHERE segment IS NOT NULL;
CREATE INDEX ops_listed ON ops (stamp, number) WHERE listed = 1;
CREATE INDEX ops_of_entity ON ops (entity, stamp, number) WHERE listed = 1;

CREATE TABLE entities (
    id    INTEGER PRIMARY KEY,
    -- EntityId::to_bytes
    key   BLOB NOT NULL UNIQUE,
    -- The key of its row in the timeline, for assets that are listed.
    place INTEGER,
    -- EntityState::to_bytes
    state BLOB NOT NULL
) STRICT;

-- The timeline. Its clustered key orders it, newest first (timeline.rs), and is the rowid of `search` and
-- `positions` too: a page is one short stretch of this table, and no query sorts.
CREATE TABLE timeline (
    key            INTEGER PRIMARY KEY,
    entity         INTEGER NOT NULL,
    asset          BLOB NOT NULL,
    content        BLOB,
    -- The entity that it lies under in a stack, and the asset that a person put it under.
    cover          INTEGER,
    stack          BLOB,
    size_bytes     INTEGER NOT NULL,
    media          INTEGER NOT NULL,
    flags          INTEGER NOT NULL,
    rating         INTEGER NOT NULL,
    local_millis   INTEGER NOT NULL,
    offset_minutes INTEGER,
    latitude_e7    INTEGER,
    longitude_e7   INTEGER,
    width          INTEGER,
    height         INTEGER,
    orientation    INTEGER NOT NULL,
    quarter_turns  INTEGER NOT NULL,
    duration       INTEGER,
    format         TEXT,
    path           BLOB NOT NULL,
    root_len       INTEGER NOT NULL,
    thumbhash      BLOB,
    thumbnail      INTEGER,
    preview        INTEGER,
    digest         INTEGER NOT NULL
) STRICT;

CREATE INDEX timeline_stacked ON timeline (cover) WHERE cover IS NOT NULL;
CREATE INDEX timeline_stacked_by_hand ON timeline (stack) WHERE stack IS NOT NULL;

CREATE VIRTUAL TABLE search USING fts5(
    facets, name, caption, tags, place, camera, lens, path,
    content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);

CREATE VIRTUAL TABLE positions USING rtree_i32(key, south, north, west, east);

-- Names that stand in the search index as one token: tags, albums, formats, cells of the map.
CREATE TABLE labels (
    id       INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    identity BLOB NOT NULL,
    folded   TEXT,
    name     TEXT,
    UNIQUE (kind, identity)
) STRICT;

CREATE INDEX labels_by_name ON labels (kind, folded) WHERE folded IS NOT NULL;

-- Which assets have contents other than the one that named them.
CREATE TABLE versions (
    content BLOB NOT NULL,
    entity  INTEGER NOT NULL,
    PRIMARY KEY (content, entity)
) STRICT, WITHOUT ROWID;

-- Which assets were ever merged into which. A hit is checked against the state.
CREATE TABLE merged (
    target BLOB NOT NULL,
    source BLOB NOT NULL,
    PRIMARY KEY (target, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX merged_by_source ON merged (source);

-- Hashes of paths and file names. A hit is checked against the state.
CREATE TABLE path_keys (
    hash   INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    PRIMARY KEY (hash, entity)
) STRICT, WITHOUT ROWID;

-- Hashes of what makes assets belong together.
CREATE TABLE stack_keys (
    hash   INTEGER NOT NULL,
    entity INTEGER NOT NULL,
    PRIMARY KEY (hash, entity)
) STRICT, WITHOUT ROWID;

CREATE INDEX stack_keys_by_entity ON stack_keys (entity);

CREATE TABLE totals (
    shelf       INTEGER NOT NULL,
    month       INTEGER NOT NULL,
    media       INTEGER NOT NULL,
    assets      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    linked      INTEGER NOT NULL,
    undecodable INTEGER NOT NULL,
    PRIMARY KEY (shelf, month, media)
) STRICT, WITHOUT ROWID;

-- Local, not history: which assets look alike, as the library found out.
CREATE TABLE alike (
    asset   BLOB PRIMARY KEY,
    cluster INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX alike_by_cluster ON alike (cluster);
