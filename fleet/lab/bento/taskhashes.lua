#!lua name=taskdb
-- The current stack's task database as far as handing out work goes. Keys, fields and the functions' names are the
-- stack's own, and so are the arguments of `update_task_failed` (they are what other programs go by); the text is ours.
-- Every function's first argument is the namespace, and `now` is Unix seconds. A number that becomes a text here keeps
-- fourteen digits, as it does there.

local PRIORITIES = { '0', '1', '2' }
local HEARD = 4096

local function task_key(space, job, task) return space .. ':task:' .. job .. ':' .. task end
local function meta_key(space, job) return space .. ':job:' .. job .. ':meta' end
local function tasks_key(space, job) return space .. ':tasks:by_job:' .. job end
local function waiting_key(space, job, task) return space .. ':deps:' .. job .. ':' .. task end
local function ready_key(space, worker, priority) return space .. ':ready:' .. worker .. ':' .. priority end
local function running_key(space) return space .. ':tasks:running' end

local function of(key, field) return redis.call('HGET', key, field) end

-- Puts a task into its queue, and tells those who wait for one.
local function announce(space, job, task)
  local key = task_key(space, job, task)
  local worker = of(key, 'worker_type')
  redis.call('ZADD', ready_key(space, worker, of(key, 'priority')), of(key, 'sort_seq'), job .. '|' .. task)
  local bell = space .. ':notify:' .. worker
  redis.call('RPUSH', bell, '1')
  redis.call('LTRIM', bell, -HEARD, -1)
end

-- Takes a task out of whatever line it stands in.
local function withdraw(space, job, task)
  local key = task_key(space, job, task)
  redis.call('ZREM', running_key(space), job .. '|' .. task)
  redis.call('ZREM', ready_key(space, of(key, 'worker_type'), of(key, 'priority')), job .. '|' .. task)
end

local function turn(key, state, now, ...)
  redis.call('HSET', key, 'state', state, 'updated_at', tostring(tonumber(now)), ...)
end

local function make(space, job, task, worker, priority, definition, before, missing, retries, seconds, now)
  local state = missing > 0 and 'pending' or 'ready'
  redis.call('HSET', task_key(space, job, task),
    'worker_type', worker, 'priority', priority, 'sort_seq', tostring(redis.call('INCR', space .. ':task_sequence')),
    'task_def', definition, 'prerequisites', before, 'state', state, 'waiting_on', tostring(missing),
    'created_at', now, 'started_at', '', 'updated_at', now, 'progress', '0.0', 'output', '', 'error', '',
    'retries', '0', 'max_retries', retries, 'timeout_secs', seconds)
  redis.call('SADD', tasks_key(space, job), task)
  if state == 'ready' then announce(space, job, task) end
end

local function fail_job(space, job, why)
  redis.call('HSET', meta_key(space, job), 'state', 'failed', 'error', why)
end

-- Somebody wants a proof: (namespace, worker, definition, retries, seconds, user, job, now, priority)
redis.register_function('create_job', function(_, args)
  local space, worker, definition, retries, seconds, user, job, now, priority = unpack(args)
  redis.call('HSET', meta_key(space, job),
    'state', 'running', 'error', '', 'user_id', user, 'reported', '0', 'priority', priority)
  make(space, job, 'init', worker, priority, definition, '[]', 0, retries, seconds, now)
  return job
end)

-- The executor makes a task: (namespace, job, task, worker, definition, prerequisites, retries, seconds, now)
redis.register_function('create_task', function(_, args)
  local space, job, task, worker, definition, before, retries, seconds, now = unpack(args)
  local missing = 0
  for _, earlier in ipairs(cjson.decode(before)) do
    redis.call('SADD', waiting_key(space, job, earlier), task)
    if of(task_key(space, job, earlier), 'state') ~= 'done' then missing = missing + 1 end
  end
  local priority = of(meta_key(space, job), 'priority') or '1'
  make(space, job, task, worker, priority, definition, before, missing, retries, seconds, now)
  return 1
end)

-- An agent asks for work: (namespace, worker, now, haste). What is ready of a job that has failed is cancelled.
-- `haste`: how many of the stack's seconds pass in one.
redis.register_function('request_work', function(_, args)
  local space, worker, now, haste = args[1], args[2], tonumber(args[3]), tonumber(args[4] or '1')
  for _, priority in ipairs(PRIORITIES) do
    local first = redis.call('ZPOPMIN', ready_key(space, worker, priority))
    while #first > 0 do
      local job, task = string.match(first[1], '^([^|]+)|(.+)$')
      local key = task_key(space, job, task)
      if of(key, 'state') == 'ready' then
        if of(meta_key(space, job), 'state') ~= 'failed' then
          turn(key, 'running', now, 'started_at', tostring(now))
          redis.call('ZADD', running_key(space), now + tonumber(of(key, 'timeout_secs')) / haste, first[1])
          return { job, task, of(key, 'task_def'), of(key, 'prerequisites'), of(key, 'max_retries') }
        end
        turn(key, 'cancelled', now)
      end
      first = redis.call('ZPOPMIN', ready_key(space, worker, priority))
    end
  end
  return nil
end)

-- An agent is done: (namespace, job, task, output, now). What waited for nothing else is ready.
redis.register_function('update_task_done', function(_, args)
  local space, job, task, output, now = unpack(args)
  local key = task_key(space, job, task)
  local state = of(key, 'state')
  if state ~= 'running' and state ~= 'ready' then return 0 end
  withdraw(space, job, task)
  turn(key, 'done', now, 'output', output, 'progress', '1.0')
  for _, later in ipairs(redis.call('SMEMBERS', waiting_key(space, job, task))) do
    local next_key = task_key(space, job, later)
    if of(next_key, 'state') == 'pending' and redis.call('HINCRBY', next_key, 'waiting_on', -1) <= 0 then
      turn(next_key, 'ready', now, 'waiting_on', '0')
      announce(space, job, later)
    end
  end
  for _, other in ipairs(redis.call('SMEMBERS', tasks_key(space, job))) do
    if of(task_key(space, job, other), 'state') ~= 'done' then return 1 end
  end
  redis.call('HSET', meta_key(space, job), 'state', 'done')
  return 1
end)

-- A task cannot be done: (namespace, job, task, why, now). Its job has failed, and what has not begun is cancelled.
redis.register_function('update_task_failed', function(_, args)
  local space, job, task, why, now = unpack(args)
  local key = task_key(space, job, task)
  local state = of(key, 'state')
  if state ~= 'running' and state ~= 'ready' and state ~= 'pending' then return 0 end
  withdraw(space, job, task)
  turn(key, 'failed', now, 'error', why, 'progress', '1.0')
  fail_job(space, job, why)
  for _, other in ipairs(redis.call('SMEMBERS', tasks_key(space, job))) do
    local sibling = task_key(space, job, other)
    local stands = of(sibling, 'state')
    if stands == 'ready' or stands == 'pending' then
      withdraw(space, job, other)
      turn(sibling, 'cancelled', now)
    end
  end
  return 1
end)

-- A task is to be handed out again: (namespace, job, task, now). What was handed out too often has failed.
redis.register_function('update_task_retry', function(_, args)
  local space, job, task, now = unpack(args)
  local key = task_key(space, job, task)
  if of(key, 'state') ~= 'running' then return 0 end
  withdraw(space, job, task)
  if redis.call('HINCRBY', key, 'retries', 1) > tonumber(of(key, 'max_retries')) then
    turn(key, 'failed', now, 'error', 'retry max hit', 'progress', '1.0')
    fail_job(space, job, 'retry max hit')
    return 0
  end
  turn(key, 'ready', now, 'error', '', 'progress', '0.0')
  announce(space, job, task)
  return 1
end)

-- The cleaner takes a job away: (namespace, job, seconds). The first task's hash stays so long, for its figures.
redis.register_function('delete_job', function(_, args)
  local space, job, seconds = unpack(args)
  for _, task in ipairs(redis.call('SMEMBERS', tasks_key(space, job))) do
    withdraw(space, job, task)
    redis.call('DEL', waiting_key(space, job, task))
    if task == 'init' then
      redis.call('PEXPIRE', task_key(space, job, task), math.floor(tonumber(seconds) * 1000))
    else
      redis.call('DEL', task_key(space, job, task))
    end
  end
  redis.call('DEL', tasks_key(space, job), meta_key(space, job))
  return 1
end)
