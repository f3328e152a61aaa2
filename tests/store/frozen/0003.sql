BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE measurements (
	sha256 VARCHAR(64) NOT NULL, 
	analyzer VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	figures JSON NOT NULL, 
	CONSTRAINT pk_measurements PRIMARY KEY (sha256, analyzer)
);
INSERT INTO "measurements" VALUES('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d','basic',1,'{"blur": 0.5}');
CREATE TABLE overrules (
	picture_id VARCHAR(16) NOT NULL, 
	kept BOOLEAN NOT NULL, 
	at TEXT NOT NULL, 
	CONSTRAINT pk_overrules PRIMARY KEY (picture_id), 
	CONSTRAINT fk_overrules_picture_id_pictures FOREIGN KEY(picture_id) REFERENCES pictures (id) ON DELETE CASCADE
);
INSERT INTO "overrules" VALUES('bbbbbbbbbbbbbbbb',1,'2026-01-02T03:06:00Z');
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
CREATE TABLE projects (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	recipe JSON NOT NULL, 
	CONSTRAINT pk_projects PRIMARY KEY (id), 
	CONSTRAINT uq_projects_name UNIQUE (name)
);
INSERT INTO "projects" VALUES(1,'fruit','2026-01-02T03:04:05Z','{"classes":["apple","pear"],"name":"fruit"}');
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
COMMIT;
