-- The newest schema, as the migrations make it. A test holds the two against each other.

CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE resources (
	"key" TEXT NOT NULL, 
	type TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	created TEXT NOT NULL, 
	doc BLOB NOT NULL, 
	private BLOB, 
	PRIMARY KEY ("key")
)
 WITHOUT ROWID;

CREATE INDEX resources_by_parent ON resources (parent, "key");

CREATE INDEX resources_by_age ON resources (parent, created, "key");

CREATE INDEX resources_by_type ON resources (type, "key");

CREATE TABLE facets (
	type TEXT NOT NULL, 
	value TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	PRIMARY KEY (type, value, "key")
)
 WITHOUT ROWID;

CREATE INDEX facets_by_key ON facets ("key");

CREATE TABLE entries (
	space TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	etag TEXT NOT NULL, 
	doc BLOB NOT NULL, 
	PRIMARY KEY (space, "key")
)
 WITHOUT ROWID;

CREATE TABLE payloads (
	name TEXT NOT NULL, 
	data BLOB NOT NULL, 
	PRIMARY KEY (name)
);

CREATE TABLE operations (
	id TEXT NOT NULL, 
	target TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	doc BLOB NOT NULL, 
	token INTEGER NOT NULL, 
	owner TEXT, 
	leased_until FLOAT NOT NULL, 
	created TEXT NOT NULL, 
	PRIMARY KEY (id)
);

CREATE INDEX operations_due ON operations (leased_until) WHERE status = 'InProgress';

CREATE TABLE record (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	at TEXT NOT NULL, 
	action TEXT NOT NULL, 
	status TEXT NOT NULL, 
	target TEXT NOT NULL, 
	caller TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	deciding TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	request TEXT NOT NULL, 
	doc BLOB NOT NULL, 
	previous BLOB NOT NULL, 
	digest BLOB NOT NULL, 
	seal BLOB NOT NULL, 
	PRIMARY KEY (seq)
);

CREATE INDEX record_by_target ON record (target, seq);

CREATE INDEX record_by_caller ON record (caller, seq);

CREATE INDEX record_by_kind ON record (kind, seq);

CREATE INDEX record_by_id ON record (id) WHERE id <> '';
