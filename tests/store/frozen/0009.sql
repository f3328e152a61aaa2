BEGIN TRANSACTION;
CREATE TABLE account_settings (
	"key" VARCHAR(64) NOT NULL, 
	value JSON NOT NULL, 
	CONSTRAINT pk_account_settings PRIMARY KEY ("key")
);
CREATE TABLE accounts (
	id VARCHAR(24) NOT NULL, 
	name TEXT NOT NULL, 
	name_key TEXT NOT NULL, 
	email TEXT NOT NULL, 
	email_key TEXT NOT NULL, 
	confirmed BOOLEAN NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	closed BOOLEAN NOT NULL, 
	password TEXT DEFAULT '' NOT NULL, 
	quota JSON, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_accounts PRIMARY KEY (id), 
	CONSTRAINT uq_accounts_name_key UNIQUE (name_key), 
	CONSTRAINT uq_accounts_email_key UNIQUE (email_key)
);
INSERT INTO "accounts" VALUES('acc1','Ann','ann','ann@example.org','ann@example.org',1,'user',0,'',NULL,'2026-02-03T04:05:06Z');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0009');
CREATE TABLE attempts (
	"key" VARCHAR(64) NOT NULL, 
	count INTEGER NOT NULL, 
	until FLOAT NOT NULL, 
	forget FLOAT NOT NULL, 
	CONSTRAINT pk_attempts PRIMARY KEY ("key")
);
CREATE TABLE credentials (
	account_id VARCHAR(24) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	sealed BLOB NOT NULL, 
	changed_at TEXT NOT NULL, 
	CONSTRAINT pk_credentials PRIMARY KEY (account_id, name)
);
CREATE TABLE deck_actions (
	id VARCHAR(22) NOT NULL, 
	deck_id VARCHAR(22) NOT NULL, 
	candidate_id VARCHAR(22) NOT NULL, 
	turn TEXT DEFAULT '' NOT NULL, 
	at TEXT DEFAULT '' NOT NULL, 
	mode VARCHAR(8) NOT NULL, 
	action VARCHAR(16) NOT NULL, 
	rule VARCHAR(32) NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	picture INTEGER, 
	score FLOAT, 
	person BOOLEAN DEFAULT 0 NOT NULL, 
	explored BOOLEAN DEFAULT 0 NOT NULL, 
	head TEXT DEFAULT '' NOT NULL, 
	policy TEXT DEFAULT '' NOT NULL, 
	recorded JSON NOT NULL, 
	intent VARCHAR(8), 
	intent_at TEXT DEFAULT '' NOT NULL, 
	state VARCHAR(12) DEFAULT 'none' NOT NULL, 
	answer JSON, 
	"match" BOOLEAN, 
	outcome_at TEXT DEFAULT '' NOT NULL, 
	asked INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_deck_actions PRIMARY KEY (id), 
	CONSTRAINT fk_deck_actions_candidate_id_deck_candidates FOREIGN KEY(candidate_id) REFERENCES deck_candidates (id) ON DELETE CASCADE, 
	CONSTRAINT fk_deck_actions_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE, 
	CONSTRAINT uq_deck_actions_candidate_id_intent UNIQUE (candidate_id, intent)
);
INSERT INTO "deck_actions" VALUES('act1','deck1','cand1','','2026-02-03T04:05:06Z','dry','like','model','',NULL,0.75,0,0,'','','{}',NULL,'','none',NULL,NULL,'',0);
CREATE TABLE deck_candidates (
	id VARCHAR(22) NOT NULL, 
	deck_id VARCHAR(22) NOT NULL, 
	ref TEXT NOT NULL, 
	name TEXT DEFAULT '' NOT NULL, 
	bio TEXT DEFAULT '' NOT NULL, 
	age INTEGER, 
	distance_km FLOAT, 
	fields JSON NOT NULL, 
	url TEXT DEFAULT '' NOT NULL, 
	seen_at TEXT DEFAULT '' NOT NULL, 
	state VARCHAR(8) DEFAULT 'new' NOT NULL, 
	judged_at TEXT DEFAULT '' NOT NULL, 
	novelty FLOAT, 
	new_looking BOOLEAN DEFAULT 0 NOT NULL, 
	picked TEXT DEFAULT '' NOT NULL, 
	part VARCHAR(8) DEFAULT 'train' NOT NULL, 
	CONSTRAINT pk_deck_candidates PRIMARY KEY (id), 
	CONSTRAINT fk_deck_candidates_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE, 
	CONSTRAINT uq_deck_candidates_deck_id_ref UNIQUE (deck_id, ref)
);
INSERT INTO "deck_candidates" VALUES('cand1','deck1','1','Rex','',NULL,NULL,'{}','','','judged','',NULL,0,'by chance','train');
INSERT INTO "deck_candidates" VALUES('cand2','deck1','2','Tom','',NULL,NULL,'{}','','','new','',NULL,0,'','train');
CREATE TABLE deck_confirmations (
	owner VARCHAR(24) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	at TEXT NOT NULL, 
	terms TEXT NOT NULL, 
	CONSTRAINT pk_deck_confirmations PRIMARY KEY (owner, source)
);
CREATE TABLE deck_days (
	deck_id VARCHAR(22) NOT NULL, 
	day VARCHAR(10) NOT NULL, 
	what VARCHAR(16) NOT NULL, 
	number INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_deck_days PRIMARY KEY (deck_id, day, what), 
	CONSTRAINT fk_deck_days_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE
);
CREATE TABLE deck_features (
	picture_id INTEGER NOT NULL, 
	base VARCHAR(128) NOT NULL, 
	features BLOB NOT NULL, 
	CONSTRAINT pk_deck_features PRIMARY KEY (picture_id, base), 
	CONSTRAINT fk_deck_features_picture_id_deck_pictures FOREIGN KEY(picture_id) REFERENCES deck_pictures (id) ON DELETE CASCADE
);
CREATE TABLE deck_feedback (
	id INTEGER NOT NULL, 
	deck_id VARCHAR(22) NOT NULL, 
	candidate_id VARCHAR(22) NOT NULL, 
	label VARCHAR(8) NOT NULL, 
	"by" TEXT DEFAULT '' NOT NULL, 
	at TEXT DEFAULT '' NOT NULL, 
	held_back BOOLEAN DEFAULT 0 NOT NULL, 
	by_chance BOOLEAN DEFAULT 0 NOT NULL, 
	decided TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_deck_feedback PRIMARY KEY (id), 
	CONSTRAINT fk_deck_feedback_candidate_id_deck_candidates FOREIGN KEY(candidate_id) REFERENCES deck_candidates (id) ON DELETE CASCADE, 
	CONSTRAINT fk_deck_feedback_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE
);
CREATE TABLE deck_heads (
	id VARCHAR(22) NOT NULL, 
	deck_id VARCHAR(22) NOT NULL, 
	state VARCHAR(12) NOT NULL, 
	base TEXT DEFAULT '' NOT NULL, 
	weights BLOB NOT NULL, 
	created_at TEXT DEFAULT '' NOT NULL, 
	labels INTEGER DEFAULT '0' NOT NULL, 
	evaluation JSON NOT NULL, 
	why TEXT DEFAULT '' NOT NULL, 
	"before" TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_deck_heads PRIMARY KEY (id), 
	CONSTRAINT fk_deck_heads_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE
);
CREATE TABLE deck_log (
	id INTEGER NOT NULL, 
	deck_id VARCHAR(22) NOT NULL, 
	at TEXT DEFAULT '' NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	text TEXT DEFAULT '' NOT NULL, 
	data JSON NOT NULL, 
	CONSTRAINT pk_deck_log PRIMARY KEY (id), 
	CONSTRAINT fk_deck_log_deck_id_decks FOREIGN KEY(deck_id) REFERENCES decks (id) ON DELETE CASCADE
);
CREATE TABLE deck_pictures (
	id INTEGER NOT NULL, 
	candidate_id VARCHAR(22) NOT NULL, 
	position INTEGER NOT NULL, 
	url TEXT DEFAULT '' NOT NULL, 
	path TEXT DEFAULT '' NOT NULL, 
	sha256 VARCHAR(64) DEFAULT '' NOT NULL, 
	width INTEGER, 
	height INTEGER, 
	score FLOAT, 
	head TEXT DEFAULT '' NOT NULL, 
	problem TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_deck_pictures PRIMARY KEY (id), 
	CONSTRAINT fk_deck_pictures_candidate_id_deck_candidates FOREIGN KEY(candidate_id) REFERENCES deck_candidates (id) ON DELETE CASCADE, 
	CONSTRAINT uq_deck_pictures_candidate_id_position UNIQUE (candidate_id, position)
);
CREATE TABLE decks (
	id VARCHAR(22) NOT NULL, 
	owner TEXT DEFAULT '' NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	title TEXT DEFAULT '' NOT NULL, 
	project TEXT DEFAULT '' NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	options JSON NOT NULL, 
	people BOOLEAN DEFAULT 0 NOT NULL, 
	policy JSON NOT NULL, 
	mode VARCHAR(8) DEFAULT 'off' NOT NULL, 
	why TEXT DEFAULT '' NOT NULL, 
	switched_at TEXT DEFAULT '' NOT NULL, 
	created_at TEXT DEFAULT '' NOT NULL, 
	every_s INTEGER DEFAULT '300' NOT NULL, 
	next_turn TEXT DEFAULT '' NOT NULL, 
	last_turn JSON, 
	error JSON, 
	likes_left INTEGER, 
	super_likes_left INTEGER, 
	out_until TEXT DEFAULT '' NOT NULL, 
	holder TEXT DEFAULT '' NOT NULL, 
	place TEXT DEFAULT '' NOT NULL, 
	held_until FLOAT DEFAULT '0' NOT NULL, 
	deeper_days INTEGER DEFAULT '0' NOT NULL, 
	deeper_at TEXT DEFAULT '' NOT NULL, 
	deeper_labels INTEGER DEFAULT '0' NOT NULL, 
	deeper_run TEXT DEFAULT '' NOT NULL, 
	base TEXT DEFAULT '' NOT NULL, 
	corrected INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_decks PRIMARY KEY (id), 
	CONSTRAINT uq_decks_owner_name UNIQUE (owner, name)
);
INSERT INTO "decks" VALUES('deck1','','pets','','','folder','{"path": "/data/pets"}',0,'{}','dry','','','2026-02-03T04:05:06Z',300,'',NULL,NULL,NULL,NULL,'','','',0.0,0,'',0,'','',0);
CREATE TABLE forgotten (
	digest VARCHAR(64) NOT NULL, 
	owner VARCHAR(24) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_forgotten PRIMARY KEY (digest, owner)
);
INSERT INTO "forgotten" VALUES('abababababababababababababababababababababababababababababababab','','content','2026-02-03T04:05:06Z');
CREATE TABLE measurements (
	sha256 VARCHAR(64) NOT NULL, 
	analyzer VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	figures JSON NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (sha256, analyzer)
);
INSERT INTO "measurements" VALUES('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d','basic',1,'{"blur": 0.5}');
CREATE TABLE outbox (
	"key" VARCHAR(128) NOT NULL, 
	owner VARCHAR(24) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	purpose VARCHAR(16) NOT NULL, 
	recipient TEXT NOT NULL, 
	body TEXT DEFAULT '' NOT NULL, 
	attachment TEXT DEFAULT '' NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	tries INTEGER NOT NULL, 
	created_at TEXT NOT NULL, 
	sent_at TEXT DEFAULT '' NOT NULL, 
	due FLOAT NOT NULL, 
	lease FLOAT NOT NULL, 
	holder TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY ("key")
);
CREATE TABLE overrules (
	picture_id VARCHAR(16) NOT NULL, 
	kept BOOLEAN NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_overrules PRIMARY KEY (picture_id), 
	CONSTRAINT fk_overrules_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
INSERT INTO "overrules" VALUES('bbbbbbbbbbbbbbbb',1,'2026-01-02T03:06:00Z');
CREATE TABLE people (
	sha256 VARCHAR(64) NOT NULL, 
	models VARCHAR(64) NOT NULL, 
	faces JSON NOT NULL, 
	CONSTRAINT pk_people PRIMARY KEY (sha256, models)
);
INSERT INTO "people" VALUES('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d','none','[]');
CREATE TABLE pictures (
	id VARCHAR(16) NOT NULL, 
	project_id INTEGER NOT NULL, 
	label TEXT DEFAULT '' NOT NULL, 
	source TEXT DEFAULT '' NOT NULL, 
	"query" TEXT DEFAULT '' NOT NULL, 
	rank INTEGER DEFAULT '0' NOT NULL, 
	position INTEGER DEFAULT '0' NOT NULL, 
	page_url TEXT DEFAULT '' NOT NULL, 
	file_url TEXT DEFAULT '' NOT NULL, 
	path TEXT DEFAULT '' NOT NULL, 
	creator TEXT DEFAULT '' NOT NULL, 
	title TEXT DEFAULT '' NOT NULL, 
	license TEXT DEFAULT '' NOT NULL, 
	license_version TEXT DEFAULT '' NOT NULL, 
	license_url TEXT DEFAULT '' NOT NULL, 
	attribution TEXT DEFAULT '' NOT NULL, 
	split_hint TEXT DEFAULT '' NOT NULL, 
	group_hint TEXT DEFAULT '' NOT NULL, 
	status VARCHAR(16) DEFAULT 'pending' NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	sha256 VARCHAR(64) DEFAULT '' NOT NULL, 
	bytes BIGINT, 
	mtime_ns BIGINT, 
	width INTEGER, 
	height INTEGER, 
	fetched_at TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_pictures PRIMARY KEY (id), 
	CONSTRAINT fk_pictures_project_id_projects FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "pictures" VALUES('aaaaaaaaaaaaaaaa',1,'apple','openverse','apple fruit',0,0,'https://example.org/1','https://example.org/1.jpg','','Ann','An apple','by','4.0','https://creativecommons.org/licenses/by/4.0/','"An apple" by Ann','','','ok','','6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',1,NULL,8,9,'2026-01-02T03:05:00Z');
INSERT INTO "pictures" VALUES('bbbbbbbbbbbbbbbb',1,'pear','folder','',1,0,'','','/data/pear/1.png','','','','','','','train','p1','ok','','4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',1,17,NULL,NULL,'2026-01-02T03:05:01Z');
INSERT INTO "pictures" VALUES('cccccccccccccccc',1,'pear','openverse','pear fruit',2,0,'','https://example.org/3.jpg','','','','','','','','','','failed','timeout','',NULL,NULL,NULL,NULL,'2026-01-02T03:05:02Z');
CREATE TABLE "projects" (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	recipe JSON NOT NULL, 
	owner TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (id), 
	CONSTRAINT uq_projects_owner_name UNIQUE (owner, name)
);
INSERT INTO "projects" VALUES(1,'fruit','2026-01-02T03:04:05Z','{"classes":["apple","pear"],"curate":{"min_side":100},"name":"fruit"}','');
CREATE TABLE rows (
	project_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	cells JSON NOT NULL, 
	label TEXT DEFAULT '' NOT NULL, 
	sha256 VARCHAR(64) DEFAULT '' NOT NULL, 
	split_hint TEXT DEFAULT '' NOT NULL, 
	kept BOOLEAN, 
	reason TEXT DEFAULT '' NOT NULL, 
	split VARCHAR(16) DEFAULT '' NOT NULL, 
	group_id TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_rows PRIMARY KEY (project_id, number), 
	CONSTRAINT fk_rows_project_id_projects FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "rows" VALUES(1,0,'["1","red"]','apple','aa','',1,'','train','');
CREATE TABLE rule_labels (
	picture_id VARCHAR(16) NOT NULL, 
	label TEXT DEFAULT '' NOT NULL, 
	rule VARCHAR(24) NOT NULL, 
	code INTEGER DEFAULT '-2' NOT NULL, 
	CONSTRAINT pk_rule_labels PRIMARY KEY (picture_id), 
	CONSTRAINT fk_rule_labels_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
CREATE TABLE run_events (
	run_id VARCHAR(22) NOT NULL, 
	seq INTEGER NOT NULL, 
	at TEXT DEFAULT '' NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	step VARCHAR(16) DEFAULT '' NOT NULL, 
	data JSON NOT NULL, 
	CONSTRAINT pk_run_events PRIMARY KEY (run_id, seq), 
	CONSTRAINT fk_run_events_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE run_workers (
	id VARCHAR(64) NOT NULL, 
	host TEXT DEFAULT '' NOT NULL, 
	place TEXT DEFAULT '' NOT NULL, 
	pid INTEGER NOT NULL, 
	at_once INTEGER DEFAULT '0' NOT NULL, 
	started_at TEXT DEFAULT '' NOT NULL, 
	seen FLOAT NOT NULL, 
	CONSTRAINT pk_run_workers PRIMARY KEY (id)
);
CREATE TABLE runs (
	id VARCHAR(22) NOT NULL, 
	owner TEXT DEFAULT '' NOT NULL, 
	project TEXT DEFAULT '' NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	upto VARCHAR(16) NOT NULL, 
	"key" TEXT, 
	recipe JSON NOT NULL, 
	notify JSON NOT NULL, 
	test_picture TEXT DEFAULT '' NOT NULL, 
	at_once INTEGER DEFAULT '0' NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	steps JSON NOT NULL, 
	created_at TEXT DEFAULT '' NOT NULL, 
	started_at TEXT DEFAULT '' NOT NULL, 
	ended_at TEXT DEFAULT '' NOT NULL, 
	error JSON, 
	result JSON, 
	verdict JSON, 
	mail TEXT DEFAULT '' NOT NULL, 
	worker TEXT DEFAULT '' NOT NULL, 
	attempt INTEGER DEFAULT '0' NOT NULL, 
	cuts INTEGER DEFAULT '0' NOT NULL, 
	cut BOOLEAN DEFAULT 0 NOT NULL, 
	retries INTEGER DEFAULT '0' NOT NULL, 
	retried BOOLEAN DEFAULT 0 NOT NULL, 
	cancel_asked BOOLEAN DEFAULT 0 NOT NULL, 
	stop_asked BOOLEAN DEFAULT 0 NOT NULL, 
	forget BOOLEAN DEFAULT 0 NOT NULL, 
	last_seq INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT uq_runs_owner_key UNIQUE (owner, "key")
);
INSERT INTO "runs" VALUES('run1','acc1','fruit','make','package',NULL,'{"classes":["apple","pear"],"name":"fruit"}','[]','',0,'done','[]','2026-02-03T04:05:06Z','','2026-02-03T04:05:06Z',NULL,NULL,NULL,'','',0,0,0,0,0,0,0,0,0);
CREATE TABLE scores (
	picture_id VARCHAR(16) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	value FLOAT NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_scores PRIMARY KEY (picture_id, name), 
	CONSTRAINT fk_scores_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
INSERT INTO "scores" VALUES('aaaaaaaaaaaaaaaa','off_topic',0.25,'f1');
CREATE TABLE searches (
	project_id INTEGER NOT NULL, 
	label TEXT NOT NULL, 
	source TEXT NOT NULL, 
	"query" TEXT NOT NULL, 
	reached INTEGER DEFAULT '0' NOT NULL, 
	exhausted BOOLEAN NOT NULL, 
	error TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_searches PRIMARY KEY (project_id, label, source, "query"), 
	CONSTRAINT fk_searches_project_id_projects FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "searches" VALUES(1,'apple','openverse','apple fruit',20,0,'');
CREATE TABLE sessions (
	hash VARCHAR(64) NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	created_at TEXT NOT NULL, 
	used_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (hash), 
	CONSTRAINT fk_sessions_account_id_accounts FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE
);
CREATE TABLE splits (
	picture_id VARCHAR(16) NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	group_id TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_splits PRIMARY KEY (picture_id), 
	CONSTRAINT fk_splits_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
INSERT INTO "splits" VALUES('aaaaaaaaaaaaaaaa','train','g1');
CREATE TABLE steps (
	project_id INTEGER NOT NULL, 
	step VARCHAR(32) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	result JSON NOT NULL, 
	finished_at TEXT NOT NULL, 
	CONSTRAINT pk_steps PRIMARY KEY (project_id, step), 
	CONSTRAINT fk_steps_project_id_projects FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "steps" VALUES(1,'collect','f0','{"found": 2}','2026-01-02T03:05:03Z');
CREATE TABLE tokens (
	id VARCHAR(24) NOT NULL, 
	account_id VARCHAR(24) NOT NULL, 
	name TEXT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	hint VARCHAR(8) NOT NULL, 
	scopes JSON NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT DEFAULT '' NOT NULL, 
	used_at TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_tokens PRIMARY KEY (id), 
	CONSTRAINT fk_tokens_account_id_accounts FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE, 
	CONSTRAINT uq_tokens_hash UNIQUE (hash)
);
CREATE TABLE verdicts (
	picture_id VARCHAR(16) NOT NULL, 
	kept BOOLEAN NOT NULL, 
	reason TEXT DEFAULT '' NOT NULL, 
	detail JSON, 
	CONSTRAINT pk_verdicts PRIMARY KEY (picture_id), 
	CONSTRAINT fk_verdicts_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
INSERT INTO "verdicts" VALUES('aaaaaaaaaaaaaaaa',1,'',NULL);
INSERT INTO "verdicts" VALUES('bbbbbbbbbbbbbbbb',0,'near_duplicate','{"distance": 3, "of": "aaaaaaaaaaaaaaaa"}');
CREATE TABLE versions (
	project_id INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	file TEXT NOT NULL, 
	metrics JSON NOT NULL, 
	created_at TEXT NOT NULL, 
	CONSTRAINT pk_versions PRIMARY KEY (project_id, version), 
	CONSTRAINT fk_versions_project_id_projects FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE
);
INSERT INTO "versions" VALUES(1,1,'f9','fruit-1.zip','{"accuracy": 0.9}','2026-01-02T03:07:00Z');
CREATE INDEX ix_pictures_project_id_label ON pictures (project_id, label);
CREATE INDEX ix_pictures_sha256 ON pictures (sha256);
CREATE INDEX ix_sessions_account_id ON sessions (account_id);
CREATE INDEX ix_tokens_account_id ON tokens (account_id);
CREATE INDEX ix_outbox_owner ON outbox (owner);
CREATE INDEX ix_outbox_state_due ON outbox (state, due);
CREATE INDEX ix_outbox_created_at ON outbox (created_at);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_owner_project ON runs (owner, project);
CREATE INDEX ix_decks_mode_next_turn ON decks (mode, next_turn);
CREATE INDEX ix_deck_candidates_deck_id_state ON deck_candidates (deck_id, state);
CREATE INDEX ix_deck_heads_deck_id ON deck_heads (deck_id);
CREATE INDEX ix_deck_log_deck_id ON deck_log (deck_id);
CREATE INDEX ix_deck_actions_deck_id_state ON deck_actions (deck_id, state);
CREATE INDEX ix_deck_feedback_candidate_id ON deck_feedback (candidate_id);
CREATE INDEX ix_deck_feedback_deck_id ON deck_feedback (deck_id);
CREATE INDEX ix_deck_pictures_sha256 ON deck_pictures (sha256);
COMMIT;
