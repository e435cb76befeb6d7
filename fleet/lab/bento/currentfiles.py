"""What the files of a lab's Bento are on the current stack: a compose file like prover-compose.yml, its settings.

As there: one Redis, no database and no store beside it; executors and helpers go to Redis, what proves goes to the
REST API only; one service starts an agent for each GPU; the cleaner is the helpers', unless a variable forbids it.
"""

from __future__ import annotations

REDIS_PORT = 6379
API_PORT = 8081

COMPOSE = """\
# Made by fleet for a lab: Bento's current stack with programs that stand in for its own. Every card is EMULATED.
x-machine: &machine
  image: {image}
  network_mode: host
  pid: host
  restart: always
  stop_grace_period: 2s
  tmpfs: /tmp
  volumes:
{mounts}

x-environment: &environment
  BENTO_API_URL: ${{BENTO_API_URL:-http://127.0.0.1:8081}}
  REDIS_URL: redis://:${{REDIS_PASSWORD:-}}@${{REDIS_HOST:-redis}}:6379
  POLL_TIME: ${{POLL_TIME:-1}}
  REQUEUE_POLL_INTERVAL: ${{REQUEUE_POLL_INTERVAL:-5}}
  PROVE_TIMEOUT: ${{PROVE_TIMEOUT:-30}}
  PROVE_RETRIES: ${{PROVE_RETRIES:-3}}
  JOIN_TIMEOUT: ${{JOIN_TIMEOUT:-10}}
  PATH: /app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

x-agent: &agent
  <<: *machine
  environment: *environment
  depends_on: [redis, rest_api]

services:
  redis:
    <<: *machine
    user: "{owner}"
    command: /app/valkey
    environment:
      LISTEN: ${{REDIS_HOST:-127.0.0.1}}
      REDIS_PASSWORD: ${{REDIS_PASSWORD:-}}

  exec_agent:
    <<: *agent
    environment:
      <<: *environment
      SEGMENT_SIZE: ${{SEGMENT_SIZE:-21}}
      REDIS_TTL: ${{REDIS_TTL:-57600}}
    entrypoint: ["/bin/sh", "-c", "/app/agent -t exec --segment-po2 $$SEGMENT_SIZE --redis-ttl $$REDIS_TTL"]
    deploy:
      replicas: ${{BENTO_EXECUTOR_COUNT:-1}}

  aux_agent:
    <<: *agent
    environment:
      <<: *environment
      CLEANUP_POLL_INTERVAL: ${{CLEANUP_POLL_INTERVAL:-300}}
      CLEANUP_STATS_TTL: ${{CLEANUP_STATS_TTL:-3600}}
      BENTO_DISABLE_COMPLETED_CLEANUP: "false"
      REDIS_TTL: ${{REDIS_TTL:-57600}}
    entrypoint: ["/bin/sh", "-c", "/app/agent -t aux --monitor-requeue --redis-ttl $$REDIS_TTL"]

  gpu_prove_agent:
    <<: *agent
    environment:
      <<: *environment
      REDIS_TTL: ${{REDIS_TTL:-57600}}
    entrypoint:
      - /bin/sh
      - -c
      - |
        for gpu in $$(nvidia-smi --query-gpu=index --format=csv,noheader,nounits); do
          (CUDA_VISIBLE_DEVICES=$$gpu /app/agent -t prove --redis-ttl $$REDIS_TTL; kill 0) &
        done
        wait

  rest_api:
    <<: *machine
    command: /app/rest_api
    environment:
      <<: *environment
      API_LISTEN: ${{REDIS_HOST:-127.0.0.1}}:8081
    depends_on: [redis]

  broker:
    <<: *agent
    profiles: [broker]
    command: /app/broker
    stop_grace_period: 3h
"""

ENV = """\
# Settings of a lab's Bento, as an operator's .env.broker has them.
SEGMENT_SIZE={po2}
REDIS_HOST={host}
REDIS_PASSWORD="{password}"
REDIS_TTL=57600
BENTO_API_URL=http://{host}:{api}
BENTO_EXECUTOR_COUNT={executors}
"""

VALKEY = """\
#!/bin/sh
# Stands in for valkey-server: this machine's own Redis. Its password is in no list of processes.
{ [ -z "$REDIS_PASSWORD" ] || printf 'requirepass %s\\n' "$REDIS_PASSWORD"; } |
    exec redis-server - --bind "$LISTEN" --port 6379 --dir /data --save "" --appendonly yes
"""
"""Its data outlives it, as Bento's does."""
