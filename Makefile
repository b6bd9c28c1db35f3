# The targets of pgleash. `make help` lists them.

# A run of the tests whose output passes through a filter fails when the tests fail.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c

PREFIX = /usr/local
DESTDIR =
SWIFT = swift
# The compiler leaves folders behind; this is a place for them.
COMPILE = mkdir -p .build/tmp && TMPDIR=$(CURDIR)/.build/tmp $(SWIFT) build
RELEASE = .build/release/pgleash
VERSION = $(shell sed -n 's/.*pgleashVersion = "\(.*\)"/\1/p' Sources/Proxy/Process/Version.swift)
# The folder in which scripts/install-dependencies installs linters that Debian lacks.
LINTERS = .build/linters/bin
BASH_SCRIPTS = $(shell grep -slE '^(\#!.*\bbash$$|\# shellcheck shell=bash)' scripts/* .ci/*)
C_HEADERS = $(wildcard Sources/*/*.h Tests/Support/*/*.h)
# The duration of `make fuzz` for each of its targets, in seconds.
FUZZ_SECONDS = 300

# The prefix of `make install`.
bindir = $(PREFIX)/bin
sysconfdir = $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
confdir = $(sysconfdir)/pgleash
# A prefix below the home directory is for a service of that user. systemd searches such services in ~/.local/share
# only.
is_users = $(if $(filter-out /,$(HOME)),$(filter $(HOME)/%,$(PREFIX)))
unit = conf/$(if $(is_users),user/)pgleash.service
unitdir = $(PREFIX)/$(if $(is_users),share/systemd/user,lib/systemd/system)
mandir = $(PREFIX)/share/man
bashcompletiondir = $(PREFIX)/share/bash-completion/completions
zshcompletiondir = $(PREFIX)/share/zsh/site-functions
fishcompletiondir = $(PREFIX)/share/fish/vendor_completions.d
# The folders in which each shell searches its completions.
COMPLETIONS = $(bashcompletiondir)/pgleash $(zshcompletiondir)/_pgleash $(fishcompletiondir)/pgleash.fish
# The installed files contain the paths of this installation.
WITH_PATHS = sed -e 's|/usr/local/bin/|$(bindir)/|' -e 's|/etc/pgleash/|$(confdir)/|'

.PHONY: build help demo pileup bench tls-bench growth limits soak check test page record-counts reference matrix \
	places drivers lint format sanitize fuzz mutants install uninstall dist clean

build: ## build the release binary, .build/release/pgleash (the default)
	@scripts/install-dependencies build
	$(COMPILE) -c release --static-swift-stdlib --product pgleash

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

demo: ## show what becomes of an orphaned query with pgleash and without
	@scripts/demo

pileup: build ## measure how orphaned queries pile up with pgleash and without, and draw docs/measurements/pileup.svg
	@scripts/install-dependencies test
	@scripts/pileup

bench: build ## compare, in 40 minutes, what a query costs through pgleash and other proxies; into Benchmarks/results
	@scripts/install-dependencies bench
	@Benchmarks/bench
	@Benchmarks/tls

tls-bench: build ## the part of it that speaks TLS, in 15 minutes
	@scripts/install-dependencies bench
	@Benchmarks/tls

growth: build ## measure, in 10 minutes, how that grows with sessions, results and pipelines; into Benchmarks/results
	@scripts/install-dependencies bench
	@Benchmarks/growth

limits: build ## measure, in 7 minutes, memory, idle sessions, polls, workers and startup; into Benchmarks/results
	@scripts/install-dependencies bench
	@Benchmarks/limits

soak: build ## send 1,000,000 transactions, 100,000 connects and 10,000 drops through one pgleash, in 10 minutes
	@scripts/install-dependencies demo
	@Benchmarks/soak

check: ## lint, build, and run what needs no server: unit tests and 2,000 schedules of the simulation; in about a minute
	@scripts/install-dependencies check
	@$(MAKE) --no-print-directory lint
	@cd Benchmarks && /usr/bin/python3 -B -m unittest --quiet harness.tests
	$(COMPILE) --build-tests
	PGLEASH_SCHEDULES=2000 $(SWIFT) test --skip-build --skip '^IntegrationTests\.' --skip 'six events' 2>&1 \
		| scripts/failures-last

test: ## lint, build, and run all tests against a private PostgreSQL
	@scripts/install-dependencies test
	@$(MAKE) --no-print-directory lint
	@cd Benchmarks && /usr/bin/python3 -B -m unittest --quiet harness.tests
	@$(MAKE) --no-print-directory build
	$(COMPILE) --build-tests
	$(SWIFT) test --skip-build --filter SimulationTests 2>&1 | scripts/failures-last
	PGLEASH_RELEASE=$(CURDIR)/$(RELEASE) $(SWIFT) test --skip-build --skip SimulationTests 2>&1 | scripts/failures-last

page: ## check the live page in Chromium, in a minute
	@scripts/install-dependencies test
	$(COMPILE) --build-tests
	$(SWIFT) test --skip-build --filter 'The live page'

reference: ## write conf/pgleash.conf, docs/configuration.md and man/pgleash.conf.5 from the table in Sources/Settings
	$(COMPILE) --build-tests
	PGLEASH_WRITE_REFERENCE=1 $(SWIFT) test --skip-build --filter ReferenceTests

record-counts: build ## count what pgleash costs, and record it in Tests/Data/Recorded
	@scripts/install-dependencies test
	$(COMPILE) --build-tests
	PGLEASH_RECORD_COUNTS=1 PGLEASH_RELEASE=$(CURDIR)/$(RELEASE) $(SWIFT) test --skip-build --filter 'Counted in the release build'

matrix: build ## measure, in 12 minutes, what becomes of queries with and without pgleash; the table goes to .build/matrix.md too
	@scripts/install-dependencies test
	$(COMPILE) --build-tests
	PGLEASH_MATRIX=$(CURDIR)/.build/matrix.md PGLEASH_PROGRAM=$(CURDIR)/$(RELEASE) \
		$(SWIFT) test --skip-build --filter 'The matrix.*written down' >.build/matrix.log 2>&1 \
		|| { cat .build/matrix.log >&2; exit 1; }
	@cat .build/matrix.md

places: build ## count, in 20 minutes, what is left behind poolers and balancers; the table goes to .build/places.md too
	@scripts/install-dependencies test
	$(COMPILE) --build-tests
	PGLEASH_PLACES=$(CURDIR)/.build/places.md PGLEASH_DROPS=20000 PGLEASH_PROGRAM=$(CURDIR)/$(RELEASE) \
		$(SWIFT) test --skip-build --filter 'At each place.*written down' >.build/places.log 2>&1 \
		|| { cat .build/places.log >&2; exit 1; }
	@cat .build/places.md

drivers: build ## measure, in 6 minutes, which drivers end their statement when they go; prints the table of docs/drivers.md
	@scripts/install-dependencies drivers
	@scripts/drivers

lint: ## check format and style: Swift, scripts, Python programs, C headers, documents, manual pages, YAML
	@scripts/install-dependencies lint
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	shellcheck $(BASH_SCRIPTS)
	$(LINTERS)/ruff check --quiet
	$(LINTERS)/ruff format --check --quiet
	$(LINTERS)/clang-format --dry-run --Werror $(C_HEADERS)
	$(LINTERS)/rumdl check --quiet .
	mandoc -T lint -W warning man/*
	$(LINTERS)/yamllint --strict .

format: ## bring the sources into that format: Swift, Python programs, C headers
	@scripts/install-dependencies lint
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests
	$(LINTERS)/ruff format --quiet
	$(LINTERS)/clang-format -i $(C_HEADERS)

# Leaks are not detected: XCTest and Foundation have some at exit.
sanitize: ## run all tests under the thread sanitizer, then under the address sanitizer
	@scripts/install-dependencies test
	$(COMPILE) --build-tests --sanitize=thread --scratch-path .build/tsan
	TSAN_OPTIONS=atexit_sleep_ms=0 $(SWIFT) test --skip-build --sanitize=thread --scratch-path .build/tsan
	$(COMPILE) --build-tests --sanitize=address --scratch-path .build/asan
	ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1 $(SWIFT) test --skip-build --sanitize=address --scratch-path .build/asan

# Optimized, as a fuzzer depends on its speed.
fuzz: export PGLEASH_FUZZER = 1
fuzz: ## look for inputs that break a rule, FUZZ_SECONDS (300) for each target
	@scripts/install-dependencies build
	$(COMPILE) -c release --sanitize=fuzzer --scratch-path .build/fuzz --product Fuzzer
	@scripts/fuzz .build/fuzz/release/Fuzzer $(FUZZ_SECONDS)

mutants: ## see that the tests catch each of the bugs in Tests/Data/Mutants, or MUTANTS_SHARE (K/N) of them
	@scripts/install-dependencies build
	@scripts/mutants $(if $(MUTANTS_SHARE),--share $(MUTANTS_SHARE))

install: ## install what was built below PREFIX (/usr/local), the configuration below sysconfdir; DESTDIR goes before both
	@test -x $(RELEASE) || { echo 'There is no $(RELEASE) yet: run make build first.' >&2; exit 1; }
	install -D -s -m 755 $(RELEASE) $(DESTDIR)$(bindir)/pgleash
	install -d $(DESTDIR)$(confdir) $(DESTDIR)$(unitdir)
	test -e $(DESTDIR)$(confdir)/pgleash.conf \
		|| { $(WITH_PATHS) conf/pgleash.conf | install -m 644 /dev/stdin $(DESTDIR)$(confdir)/pgleash.conf; }
	$(WITH_PATHS) $(unit) | install -m 644 /dev/stdin $(DESTDIR)$(unitdir)/pgleash.service
	install -D -m 644 man/pgleash.1 $(DESTDIR)$(mandir)/man1/pgleash.1
	install -D -m 644 man/pgleash.conf.5 $(DESTDIR)$(mandir)/man5/pgleash.conf.5
	install -d $(addprefix $(DESTDIR),$(dir $(COMPLETIONS)))
	$(RELEASE) --generate-completion-script bash | install -m 644 /dev/stdin $(DESTDIR)$(bashcompletiondir)/pgleash
	$(RELEASE) --generate-completion-script zsh | install -m 644 /dev/stdin $(DESTDIR)$(zshcompletiondir)/_pgleash
	$(RELEASE) --generate-completion-script fish | install -m 644 /dev/stdin $(DESTDIR)$(fishcompletiondir)/pgleash.fish

uninstall: ## remove what install installed with the same PREFIX and DESTDIR, but not the configuration
	rm -f $(DESTDIR)$(bindir)/pgleash $(DESTDIR)$(unitdir)/pgleash.service
	rm -f $(DESTDIR)$(mandir)/man1/pgleash.1 $(DESTDIR)$(mandir)/man5/pgleash.conf.5 $(addprefix $(DESTDIR),$(COMPLETIONS))

dist: ## make .build/pgleash-VERSION.tar.gz, the sources of the last commit
	@mkdir -p .build
	git archive --prefix=pgleash-$(VERSION)/ --output=.build/pgleash-$(VERSION).tar.gz HEAD
	@echo .build/pgleash-$(VERSION).tar.gz

clean: ## remove everything that was built
	rm -rf .build
