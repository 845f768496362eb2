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

CREATE TABLE events (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at TEXT NOT NULL, 
	action TEXT NOT NULL, 
	status TEXT NOT NULL, 
	target TEXT NOT NULL, 
	caller TEXT NOT NULL, 
	doc BLOB NOT NULL
);

CREATE INDEX events_by_target ON events (target, seq);
