-- The legacy stack's task database as far as handing out work goes: its tables, and the three things agents ask of it.
-- Names and types are the database's own (they are what other programs read); the text is ours.

CREATE TYPE job_state AS ENUM ('running', 'done', 'failed');
CREATE TYPE task_state AS ENUM ('pending', 'ready', 'running', 'done', 'failed');

CREATE TABLE streams (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  worker_type text NOT NULL,
  reserved int NOT NULL DEFAULT 0,
  be_mult real NOT NULL DEFAULT 1,
  user_id text NOT NULL DEFAULT 'bench',
  running int NOT NULL DEFAULT 0,
  ready int NOT NULL DEFAULT 0,
  priority real
);

CREATE TABLE jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  state job_state NOT NULL DEFAULT 'running',
  error text,
  user_id text NOT NULL DEFAULT 'bench',
  reported boolean NOT NULL DEFAULT false
);

CREATE TABLE tasks (
  job_id uuid NOT NULL REFERENCES jobs,
  task_id text NOT NULL,
  stream_id uuid NOT NULL REFERENCES streams,
  task_def jsonb NOT NULL,
  prerequisites jsonb NOT NULL,
  state task_state NOT NULL,
  created_at timestamp NOT NULL DEFAULT now(),
  started_at timestamp,
  updated_at timestamp,
  waiting_on int NOT NULL,
  progress real NOT NULL DEFAULT 0,
  retries int NOT NULL DEFAULT 0,
  max_retries int NOT NULL DEFAULT 3,
  timeout_secs int NOT NULL DEFAULT 300,
  output jsonb,
  error text,
  job_created_at timestamp NOT NULL,
  PRIMARY KEY (job_id, task_id)
);

CREATE TABLE task_deps (
  job_id uuid NOT NULL,
  pre_task_id text NOT NULL,
  post_task_id text NOT NULL,
  FOREIGN KEY (job_id, pre_task_id) REFERENCES tasks,
  FOREIGN KEY (job_id, post_task_id) REFERENCES tasks
);

CREATE INDEX ready_tasks ON tasks (stream_id, job_created_at, created_at) WHERE state = 'ready';
CREATE INDEX what_waits ON task_deps (job_id, pre_task_id);

-- An agent asks for work: a stream that the counters say has some and that nobody else is asking, then its oldest
-- task of its oldest job. The stream's row stays locked until the transaction ends.
CREATE FUNCTION request_work(wanted text) RETURNS TABLE (job uuid, task text, kind text) LANGUAGE plpgsql AS $$
DECLARE
  line uuid;
BEGIN
  SELECT s.id INTO line FROM streams s
    WHERE s.worker_type = wanted AND s.ready > 0
    ORDER BY s.reserved DESC LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF line IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
    WITH oldest AS (
      SELECT o.job_id, o.task_id FROM tasks o
        WHERE o.stream_id = line AND o.state = 'ready'
        ORDER BY o.job_created_at, o.created_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE tasks t SET state = 'running', started_at = now() FROM oldest
      WHERE t.job_id = oldest.job_id AND t.task_id = oldest.task_id
      RETURNING t.job_id, t.task_id, (SELECT jsonb_object_keys(t.task_def));
END $$;

-- The executor makes a task; it is ready where nothing is left to wait for.
CREATE FUNCTION make_task(of_job uuid, name text, worker text, definition jsonb, before jsonb, since timestamp)
  RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  missing int;
BEGIN
  INSERT INTO tasks (job_id, task_id, stream_id, task_def, prerequisites, state, waiting_on, job_created_at)
    SELECT of_job, name, s.id, definition, before, 'pending', 0, since FROM streams s WHERE s.worker_type = worker;
  INSERT INTO task_deps SELECT of_job, earlier, name FROM jsonb_array_elements_text(before) AS earlier;
  -- A prerequisite that ends while this is being counted waits for this lock, and then counts this task down.
  PERFORM 1 FROM tasks t WHERE t.job_id = of_job AND before ? t.task_id ORDER BY t.task_id FOR SHARE;
  SELECT count(*) INTO missing FROM tasks t WHERE t.job_id = of_job AND before ? t.task_id AND t.state <> 'done';
  UPDATE tasks t SET waiting_on = missing, state = CASE missing WHEN 0 THEN 'ready' ELSE 'pending' END::task_state
    WHERE t.job_id = of_job AND t.task_id = name;
END $$;

-- An agent is done: whatever waited for nothing else is ready, and after its last task so is the job.
CREATE FUNCTION end_task(of_job uuid, name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tasks t SET state = 'done', progress = 1, updated_at = now() WHERE t.job_id = of_job AND t.task_id = name;
  UPDATE tasks t SET waiting_on = t.waiting_on - 1,
      state = CASE t.waiting_on WHEN 1 THEN 'ready' ELSE t.state::text END::task_state
    FROM task_deps d
    WHERE d.job_id = of_job AND d.pre_task_id = name AND t.job_id = of_job AND t.task_id = d.post_task_id;
  IF NOT EXISTS (SELECT FROM tasks t WHERE t.job_id = of_job AND t.state <> 'done') THEN
    UPDATE jobs SET state = 'done' WHERE id = of_job;
  END IF;
END $$;

-- An aux agent sets the counters that request_work goes by; a row that is being asked keeps its old ones.
CREATE FUNCTION refresh_counters() RETURNS void LANGUAGE sql AS $$
  WITH open AS (SELECT id FROM streams FOR UPDATE SKIP LOCKED)
  UPDATE streams s SET
      ready = (SELECT count(*) FROM tasks t WHERE t.stream_id = s.id AND t.state = 'ready'),
      running = (SELECT count(*) FROM tasks t WHERE t.stream_id = s.id AND t.state = 'running')
    FROM open WHERE s.id = open.id;
$$;

INSERT INTO streams (worker_type) VALUES ('exec'), ('prove'), ('aux');

-- Somebody wants a proof: a job whose first task an executor may take.
CREATE FUNCTION make_job(definition jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  made uuid;
BEGIN
  INSERT INTO jobs DEFAULT VALUES RETURNING id INTO made;
  PERFORM make_task(made, 'init', 'exec', definition, '[]', now()::timestamp);
  RETURN made;
END $$;

-- An agent is done, and says what came of it.
CREATE FUNCTION end_task(of_job uuid, name text, result jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tasks t SET output = result WHERE t.job_id = of_job AND t.task_id = name;
  PERFORM end_task(of_job, name);
END $$;

-- A task cannot be done: its job has failed; what is ready of it goes on being handed out, as Bento does.
CREATE FUNCTION fail_task(of_job uuid, name text, why text) RETURNS void LANGUAGE sql AS $$
  UPDATE tasks SET state = 'failed', error = why, updated_at = now() WHERE job_id = of_job AND task_id = name;
  UPDATE jobs SET state = 'failed', error = why WHERE id = of_job;
$$;

-- An aux agent hands out again what has run for longer than it may; what was handed out too often has failed.
-- `haste`: how many of the stack's seconds pass in one.
CREATE FUNCTION requeue_tasks(haste double precision) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  late record;
  again int := 0;
BEGIN
  FOR late IN
    SELECT t.job_id, t.task_id, t.retries >= t.max_retries AS spent FROM tasks t
      WHERE t.state = 'running' AND now() > t.started_at + t.timeout_secs * interval '1 second' / haste
      FOR UPDATE SKIP LOCKED
  LOOP
    IF late.spent THEN
      PERFORM fail_task(late.job_id, late.task_id, 'timed out after too many retries');
    ELSE
      UPDATE tasks t SET state = 'ready', retries = t.retries + 1, updated_at = now()
        WHERE t.job_id = late.job_id AND t.task_id = late.task_id;
      again := again + 1;
    END IF;
  END LOOP;
  RETURN again;
END $$;
