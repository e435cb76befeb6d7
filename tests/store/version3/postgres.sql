CREATE SCHEMA fleet;
CREATE TABLE fleet.agent_samples (
    observation bigint NOT NULL,
    "position" bigint NOT NULL,
    host text NOT NULL,
    device text NOT NULL,
    pid bigint NOT NULL,
    "time" double precision NOT NULL,
    cpu double precision,
    memory_used bigint
);
CREATE TABLE fleet.changes (
    inventory text NOT NULL,
    host text NOT NULL,
    id text NOT NULL,
    state text NOT NULL,
    body text NOT NULL
);
CREATE TABLE fleet.device_samples (
    observation bigint NOT NULL,
    "position" bigint NOT NULL,
    host text NOT NULL,
    device text NOT NULL,
    "time" double precision NOT NULL,
    emulated boolean NOT NULL,
    busy double precision,
    bus_busy double precision,
    memory_used bigint,
    power double precision,
    temperature double precision,
    sm_clock double precision,
    throttle bigint,
    memory_busy double precision,
    power_limit double precision,
    memory_temperature double precision,
    memory_clock double precision,
    violation_power double precision,
    violation_thermal double precision,
    violation_board double precision,
    violation_reliability double precision,
    violation_sync double precision,
    pcie_generation bigint,
    pcie_width bigint,
    received double precision,
    sent double precision,
    pcie_replays bigint,
    nvlink_received double precision,
    nvlink_sent double precision,
    ecc_corrected bigint,
    ecc_uncorrected bigint,
    xids text
);
CREATE TABLE fleet.host_samples (
    observation bigint NOT NULL,
    "position" bigint NOT NULL,
    host text NOT NULL,
    "time" double precision NOT NULL,
    cpu_busy double precision,
    memory_used bigint,
    cpu_pressure double precision,
    memory_pressure double precision,
    io_pressure double precision,
    runnable bigint,
    received double precision,
    sent double precision,
    cores text,
    cpu_full double precision,
    memory_full double precision,
    io_full double precision,
    cpu_throttled double precision,
    memory_total bigint,
    numa_used text,
    numa_misses double precision,
    disk_read double precision,
    disk_written double precision,
    disk_busy double precision,
    drops double precision
);
CREATE TABLE fleet.observations (
    seq bigint NOT NULL,
    run text NOT NULL,
    trial text NOT NULL,
    experiment text NOT NULL,
    outcome text NOT NULL,
    body json NOT NULL
);
ALTER TABLE fleet.observations ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME fleet.observations_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE fleet.provisioned (
    inventory text NOT NULL,
    host text NOT NULL,
    ready boolean NOT NULL
);
CREATE TABLE fleet.runs (
    id text NOT NULL,
    created double precision NOT NULL,
    inventory text NOT NULL,
    emulated boolean NOT NULL,
    finished boolean NOT NULL,
    body json NOT NULL
);
CREATE TABLE fleet.store (
    version bigint NOT NULL
);
INSERT INTO fleet.agent_samples VALUES (3, 1, 'box', 'gpu0', 7, 3, 0.5, NULL);
INSERT INTO fleet.device_samples VALUES (1, 0, 'box', 'gpu0', 1750000000, true, 0.1, NULL, NULL, NULL, NULL, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.device_samples VALUES (1, 2, 'box', 'gpu0', 1750000000.2857144, true, 0.1, NULL, NULL, NULL, NULL, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.device_samples VALUES (2, 0, 'box', 'gpu0', 1750000000, true, 0.1, NULL, NULL, NULL, NULL, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.device_samples VALUES (2, 2, 'box', 'gpu0', 1750000000.2857144, true, 0.1, NULL, NULL, NULL, NULL, NULL, 4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.device_samples VALUES (3, 0, 'box', 'gpu0', 3, false, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 16, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '[79, 48]');
INSERT INTO fleet.host_samples VALUES (1, 1, 'box', 1750000000.142857, 0.3333333333333333, 1099511627776, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.host_samples VALUES (1, 3, 'box', 1750000000.4285715, 0.3333333333333333, 1099511627776, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.host_samples VALUES (2, 1, 'box', 1750000000.142857, 0.3333333333333333, 1099511627776, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.host_samples VALUES (2, 3, 'box', 1750000000.4285715, 0.3333333333333333, 1099511627776, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO fleet.observations OVERRIDING SYSTEM VALUE VALUES (1, '20260701-a1b2', 'f7f73a3338e5', 'gpus', 'ok', '{"trial":{"experiment":"gpus","layout":{"agents":[{"host":"box","device":"gpu0","slot":0}],"po2":20},"load":{"iterations":4096,"jobs":1},"repeat":0,"seed":11},"outcome":"ok","started":1750000000.0,"elapsed":5.25,"emulated":true,"jobs":[{"id":"job","state":"done","segments":3,"user_cycles":1048576,"total_cycles":2097152,"tasks":[{"id":"0","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.0,"updated":0.3333333333333333,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"1","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.3333333333333333,"updated":0.6666666666666666,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"2","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.6666666666666666,"updated":1.0,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null}],"digest":"00ff","error":null}],"cause":null,"lost":[],"log":["a line","na\u00efve \u0000 \u2028 line"],"telemetry":{"samples":[],"missed":1,"before":[],"after":[],"lacks":[]},"cold":[],"restarted":[],"running":[],"unclocked":[]}');
INSERT INTO fleet.observations OVERRIDING SYSTEM VALUE VALUES (2, '20260701-a1b2', '3fa7b4ecfe4c', 'gpus', 'ok', '{"trial":{"experiment":"gpus","layout":{"agents":[{"host":"box","device":"gpu0","slot":0}],"po2":20},"load":{"iterations":4096,"jobs":1},"repeat":1,"seed":11},"outcome":"ok","started":1750000000.0,"elapsed":5.25,"emulated":true,"jobs":[{"id":"job","state":"done","segments":3,"user_cycles":1048576,"total_cycles":2097152,"tasks":[{"id":"0","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.0,"updated":0.3333333333333333,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"1","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.3333333333333333,"updated":0.6666666666666666,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"2","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.6666666666666666,"updated":1.0,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null}],"digest":"00ff","error":null}],"cause":null,"lost":[],"log":["a line","na\u00efve \u0000 \u2028 line"],"telemetry":{"samples":[],"missed":1,"before":[],"after":[],"lacks":[]},"cold":[],"restarted":[],"running":[],"unclocked":[]}');
INSERT INTO fleet.observations OVERRIDING SYSTEM VALUE VALUES (3, '20260702-c3d4', 'f7f73a3338e5', 'gpus', 'ok', '{"trial":{"experiment":"gpus","layout":{"agents":[{"host":"box","device":"gpu0","slot":0}],"po2":20},"load":{"iterations":4096,"jobs":1},"repeat":0,"seed":11},"outcome":"ok","started":1750000000.0,"elapsed":5.25,"emulated":true,"jobs":[{"id":"job","state":"done","segments":3,"user_cycles":1048576,"total_cycles":2097152,"tasks":[{"id":"0","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.0,"updated":0.3333333333333333,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"1","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.3333333333333333,"updated":0.6666666666666666,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null},{"id":"2","kind":"prove","state":"done","prerequisites":["init"],"created":0.0,"started":0.6666666666666666,"updated":1.0,"agent":"box/gpu0#0","host":"box","retries":0,"transfer":0.1,"away":null}],"digest":"00ff","error":null}],"cause":null,"lost":[],"log":["a line","na\u00efve \u0000 \u2028 line"],"telemetry":{"samples":[],"missed":0,"before":[],"after":[],"lacks":[]},"cold":[],"restarted":[],"running":[],"unclocked":[]}');
INSERT INTO fleet.provisioned VALUES ('lab', 'box', true);
INSERT INTO fleet.provisioned VALUES ('lab', 'far', false);
INSERT INTO fleet.runs VALUES ('20260701-a1b2', 1750000000, 'lab', true, true, '{"id":"20260701-a1b2","created":1750000000.0,"version":"0.1.0","inventory":{"name":"lab","path":"inventory/lab.yaml","hosts":[{"name":"box","role":"head","login":{"address":"127.0.0.11","port":2211,"user":null,"key":null,"known_hosts":null,"connect_timeout":10.0,"sudo":false,"sudo_password_command":null,"key_passphrase_command":null},"node_address":"127.0.0.11","devices":[{"name":"gpu0","kind":"emulated","model":"RTX A4000","memory":17179869184,"emulation":{"cycles_per_second":800000.0,"overhead":0.0,"join":0.0,"traffic":0.0}},{"name":"gpu1","kind":"emulated","model":"RTX A4000","memory":17179869184,"emulation":{"cycles_per_second":800000.0,"overhead":0.0,"join":0.0,"traffic":0.0}}],"ports":{"first":20000,"last":20299},"python":"python3","work_dir":".fleet","group":null,"candidate":false,"drained":false,"cost":null,"bus":null,"free_slots":null,"spare_power":null,"lab":false,"variables":[]}],"current":{"po2":20,"agents_per_device":1},"prices":{"currency":"USD","gpu":null,"worker":null,"replica":null},"workload":{"iterations":4096,"executor_rate":20000000.0,"columns":8,"trace_po2":8},"time_scale":25.0,"po2_range":[14,24],"bento":null},"survey":{"facts":[{"host":"box","system":"Linux","kernel":"6.1","cpu_model":null,"cores":2,"memory":8589934592,"disk_free":null,"python":"3.11.7","ray":"2.60.0","fleet":"0.1.0","gpus":[]}],"offsets":[{"host":"box","offset":0.001,"error":0.0005}],"failures":[]},"plan":{"run":"20260701-a1b2","current":{"agents":[{"host":"box","device":"gpu0","slot":0}],"po2":20},"load":{"iterations":4096,"jobs":1},"budget":{"trials":32,"seconds":1800.0,"repeats":3,"money":null},"seed":7,"hosts":["box"],"experiments":["warm-up","ceiling","baseline","packing","gpus","remote","confirm"],"assumed":[],"goal":"latency"},"observations":[],"finished":false}');
INSERT INTO fleet.runs VALUES ('20260702-c3d4', 1750100000, 'lab', true, false, '{"id":"20260702-c3d4","created":1750100000.0,"version":"0.1.0","inventory":{"name":"lab","path":"inventory/lab.yaml","hosts":[{"name":"box","role":"head","login":{"address":"127.0.0.11","port":2211,"user":null,"key":null,"known_hosts":null,"connect_timeout":10.0,"sudo":false,"sudo_password_command":null,"key_passphrase_command":null},"node_address":"127.0.0.11","devices":[{"name":"gpu0","kind":"emulated","model":"RTX A4000","memory":17179869184,"emulation":{"cycles_per_second":800000.0,"overhead":0.0,"join":0.0,"traffic":0.0}},{"name":"gpu1","kind":"emulated","model":"RTX A4000","memory":17179869184,"emulation":{"cycles_per_second":800000.0,"overhead":0.0,"join":0.0,"traffic":0.0}}],"ports":{"first":20000,"last":20299},"python":"python3","work_dir":".fleet","group":null,"candidate":false,"drained":false,"cost":null,"bus":null,"free_slots":null,"spare_power":null,"lab":false,"variables":[]}],"current":{"po2":20,"agents_per_device":1},"prices":{"currency":"USD","gpu":null,"worker":null,"replica":null},"workload":{"iterations":4096,"executor_rate":20000000.0,"columns":8,"trace_po2":8},"time_scale":25.0,"po2_range":[14,24],"bento":null},"survey":{"facts":[{"host":"box","system":"Linux","kernel":"6.1","cpu_model":null,"cores":2,"memory":8589934592,"disk_free":null,"python":"3.11.7","ray":"2.60.0","fleet":"0.1.0","gpus":[]}],"offsets":[{"host":"box","offset":0.001,"error":0.0005}],"failures":[]},"plan":{"run":"20260702-c3d4","current":{"agents":[{"host":"box","device":"gpu0","slot":0}],"po2":20},"load":{"iterations":4096,"jobs":1},"budget":{"trials":32,"seconds":1800.0,"repeats":3,"money":null},"seed":7,"hosts":["box"],"experiments":["warm-up","ceiling","baseline","packing","gpus","remote","confirm"],"assumed":[],"goal":"latency"},"observations":[],"finished":false}');
INSERT INTO fleet.store VALUES (3);
SELECT pg_catalog.setval('fleet.observations_seq_seq', 3, true);
ALTER TABLE ONLY fleet.agent_samples
    ADD CONSTRAINT agent_samples_pkey PRIMARY KEY (observation, "position");
ALTER TABLE ONLY fleet.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (inventory, host, id);
ALTER TABLE ONLY fleet.device_samples
    ADD CONSTRAINT device_samples_pkey PRIMARY KEY (observation, "position");
ALTER TABLE ONLY fleet.host_samples
    ADD CONSTRAINT host_samples_pkey PRIMARY KEY (observation, "position");
ALTER TABLE ONLY fleet.observations
    ADD CONSTRAINT observations_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY fleet.observations
    ADD CONSTRAINT observations_run_trial_key UNIQUE (run, trial);
ALTER TABLE ONLY fleet.provisioned
    ADD CONSTRAINT provisioned_pkey PRIMARY KEY (inventory, host);
ALTER TABLE ONLY fleet.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
CREATE INDEX observations_in_order ON fleet.observations USING btree (run, seq);
CREATE INDEX runs_by_age ON fleet.runs USING btree (created, id);
ALTER TABLE ONLY fleet.agent_samples
    ADD CONSTRAINT agent_samples_observation_fkey FOREIGN KEY (observation) REFERENCES fleet.observations(seq) ON DELETE CASCADE;
ALTER TABLE ONLY fleet.device_samples
    ADD CONSTRAINT device_samples_observation_fkey FOREIGN KEY (observation) REFERENCES fleet.observations(seq) ON DELETE CASCADE;
ALTER TABLE ONLY fleet.host_samples
    ADD CONSTRAINT host_samples_observation_fkey FOREIGN KEY (observation) REFERENCES fleet.observations(seq) ON DELETE CASCADE;
ALTER TABLE ONLY fleet.observations
    ADD CONSTRAINT observations_run_fkey FOREIGN KEY (run) REFERENCES fleet.runs(id) ON DELETE CASCADE;
