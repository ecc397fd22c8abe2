# Every target works from a clean checkout on Debian, as root where it says so; `make check` is what CI runs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PY := .venv/bin
export PYTHONPATH := vm-tests
# What the demo, the image and the tests need of the host beyond Python; the rest comes with the tools root.
HOST_PACKAGES := ca-certificates e2fsprogs iproute2 mmdebstrap nftables procps python3-venv systemd tcpdump util-linux

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: .venv/ready ## boot a node, join it to a real cluster, fetch a NodeDiagnostic bundle (root; KEEP=1 leaves it up)
	@$(PY)/python vm-tests/demo.py $(if $(KEEP),--keep)

check: lint types layers test units vm-check ## all that CI checks (root)

format: .venv/ready ## rewrite the code in the house format
	$(PY)/ruff check --quiet --fix --select I .
	$(PY)/ruff format .

lint: .venv/ready ## format, lints, dead code
	$(PY)/ruff format --check .
	$(PY)/ruff check .
	$(PY)/vulture

types: .venv/ready ## mypy, strict
	$(PY)/mypy

layers: .venv/ready ## imports only go down
	$(PY)/lint-imports

test: .venv/ready ## everything but the VMs: pure, host, and the kernel's in namespaces (root)
	$(PY)/coverage run -m pytest
	$(PY)/coverage report --fail-under=85 --format=total

units: .venv/ready ## unit files parse without a warning and are sandboxed (root)
	$(PY)/python -m tools root
	units/check

image: .venv/ready ## build the node image (root)
	$(PY)/python -m tools image

tools: .venv/ready ## build what the VMs need: tools root, Kubernetes, authenticator, S3 server (root)
	$(PY)/python -m tools root
	$(PY)/python -m tools binaries

vm-check: .venv/ready ## the VM scenarios that CI boots (root)
	$(PY)/python -m tools all
	$(PY)/pytest vm-tests -m 'not full'

vm-test: .venv/ready ## every VM scenario, and the table of results in vm-tests/RESULTS.md (root)
	$(PY)/python -m tools all
	$(PY)/pytest vm-tests -m '' --results=vm-tests/RESULTS.md
	EXAMPLES=300 $(PY)/pytest tests/network/behaviour/test_random.py

bench: .venv/ready ## measure what design targets name, and print JSON (root; ROWS="enis …" for some of the groups)
	@PYTHONPATH=vm-tests:tests $(PY)/python -m bench $(ROWS)

docs: .venv/ready ## write the tables of docs/bundle.md from the catalogue
	sed -i '/<!-- catalogue -->/q' docs/bundle.md
	$(PY)/python -c 'from agent.diagnostics import listing; print(); print(listing.as_markdown(), end="")' >>docs/bundle.md

lock: .venv/ready ## compile the locked requirements anew
	$(PY)/pip-compile $(LOCK) --output-file requirements.lock pyproject.toml
	$(PY)/pip-compile $(LOCK) --allow-unsafe --extra dev --output-file requirements-dev.lock pyproject.toml

LOCK := --quiet --generate-hashes --no-header --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.venv/ready: requirements-dev.lock pyproject.toml
	@missing=$$(for name in $(HOST_PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; done); \
	if [ -n "$$missing" ]; then \
		echo "host packages: " $$missing; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	python3 -m venv .venv
	$(PY)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(PY)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: help demo check format lint types layers test units image tools vm-check vm-test bench docs lock
