# Everything a user or a developer types. `make` alone lists it.

# Any folder of images, and where they go. Without OUTPUT: ./processed_images and ./processed_image_data.csv.
INPUT  ?= samples
OUTPUT ?= .
# `make up`: how many consumers share the work. `make messages`: how many of the newest are shown. `make logs`: of which services.
export CONSUMERS ?=
COUNT    ?= 10
SERVICES ?= producer consumer
# `make test-integration`: one, scaled, cluster or lite.
VARIANT  ?= one
# More flags for the compiler, for build and test: SWIFT_FLAGS='-Xswiftc -warnings-as-errors'
SWIFT_FLAGS ?=
# For `make test-sanitize`: which sanitizers, and which tests.
SANITIZE ?= thread address
TESTS    ?=
export TESTS

# The recipes read these from the environment, so that spaces, quotes and $ in a folder's name reach the program as typed.
export DEMO_INPUT  = $(value INPUT)
export DEMO_OUTPUT = $(value OUTPUT)

SWIFT_SOURCES = Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources Benchmarks/Package.swift Benchmarks/Sources

# The targets build on one another, and SwiftPM keeps all cores busy by itself.
.NOTPARALLEL:
.PHONY: help up up-lite down clean ps logs topics messages doctor demo test test-integration deps build test-chaos test-bounds test-outage \
  test-sanitize fuzz bench bench-codecs format lint clean-build

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s  %s\n", $$1, $$2 }' Makefile

##@ In containers (Docker)

up: ## start everything, with Control Center at http://localhost:9021: make up [CONSUMERS=3]
	@scripts/up.sh

up-lite: ## the same with an open web UI instead, in a fraction of the memory
	@scripts/up.sh lite

down: ## stop everything; images, topics and what was sent are kept
	@docker compose down --remove-orphans

clean: ## stop everything and delete topics, ledger and metrics, after asking (YES=1: without); images and output stay
	@scripts/clean.sh

ps: ## show what runs, and how it does
	@docker compose ps --all

logs: ## follow the logs: make logs [SERVICES="broker consumer"]
	@docker compose logs --follow --tail 50 $(SERVICES)

topics: ## show the topics with their partitions
	@docker compose exec broker kafka-topics --describe --bootstrap-server broker:29092

messages: ## show the newest messages of the topic: make messages [COUNT=10]
	@docker compose exec producer /usr/bin/image-pipeline messages --count $(COUNT)

doctor: ## look for what is wrong or soon will be, on the whole way from client to disk; each finding with its cure
	@scripts/doctor.sh

test-integration: ## assert the round trip in containers, beside whatever runs: make test-integration [VARIANT=cluster]
	@scripts/test-integration.sh $(VARIANT)

##@ Without containers

deps: ## install the C libraries that are missing (apt-get; says so before), check the Swift toolchain
	@scripts/install-dependencies.sh

# Quiet is about progress alone: errors and warnings are shown all the same.
build: deps ## build the program, optimised: .build/release/image-pipeline
	@echo "Building image-pipeline (the first time takes a few minutes) ..."
	@swift build --quiet -c release --product image-pipeline $(SWIFT_FLAGS)

demo: build ## carry images through an embedded Kafka and verify them: make demo [INPUT=folder] [OUTPUT=folder]
	@.build/release/image-pipeline demo --input "$$DEMO_INPUT" --output "$$DEMO_OUTPUT"

# In two parts: the second starts brokers and programs, which the first one's load would only time out.
test: deps ## run all tests
	swift test $(SWIFT_FLAGS) --skip '^ProgramTests\.'
	swift test $(SWIFT_FLAGS) --skip-build --filter '^ProgramTests\.'

##@ For developers

# Longer than in `make test`. With KAFKA_TEST_BOOTSTRAP_SERVERS a real broker is used, which is killed too where KAFKA_TEST_KILL
# and KAFKA_TEST_RESUME are commands for that; of KAFKA_TEST_NODES brokers these find the one that is meant in $NODE.
# CHAOS=killed or CHAOS=members is one of its two tests alone.
test-chaos: deps ## kill all parts at random, 200 times: make test-chaos [CHAOS_SEED=n] [CHAOS_KILLS=n]
	CHAOS_KILLS=$${CHAOS_KILLS:-200} swift test $(SWIFT_FLAGS) --filter '^ProgramTests\.ChaosTests/$(CHAOS)'

# A broker of a small heap takes the large messages with JAVA_TOOL_OPTIONS=-Djdk.nio.maxCachedBufferSize=1000000.
test-bounds: build ## measure memory in full: an image of 1 GB, 100,000 messages (needs KAFKA_TEST_BOOTSTRAP_SERVERS)
	TEST_BOUNDS=full TEST_PROGRAM="$$PWD/.build/release/image-pipeline" swift test $(SWIFT_FLAGS) \
	  --filter '^ProgramTests\.(BoundsTests|HostileSizeTests)/'

# Needs KAFKA_TEST_BOOTSTRAP_SERVERS, and KAFKA_TEST_KILL and KAFKA_TEST_RESUME as above. A broker that makes topics by being asked for
# them (auto.create.topics.enable) makes the deleted one anew at once: without that, it is gone for a minute.
test-outage: deps ## take the broker away for minutes while images come, and delete the topic: make test-outage [OUTAGE_SECONDS=150]
	OUTAGE_SECONDS=$${OUTAGE_SECONDS:-150} swift test $(SWIFT_FLAGS) --filter '^ProgramTests\.OutageTests/'

test-sanitize: deps ## run all tests under ThreadSanitizer, then under AddressSanitizer [SANITIZE=thread] [TESTS=regex]
	@scripts/test-sanitize.sh $(SANITIZE)

fuzz: deps ## give the readers of what comes from outside hostile bytes: make fuzz [FUZZ_SECONDS=30]
	@scripts/fuzz.sh

# Needs a Kafka whose data lies in memory: KAFKA_BOOTSTRAP_SERVERS.
bench: build ## measure against a Python form and the ceilings of client and disk: make bench [BENCH="--sizes 60k --rounds 3"]
	@scripts/bench.sh $(BENCH)

bench-growth: build ## measure with 1,000,000 files and 10,000,000 rows: make bench-growth [BENCH="--files 100000"]
	@scripts/bench-growth.sh $(BENCH)

bench-codecs: deps ## measure Base64 and the envelope by themselves, against memcpy and pybase64
	@swift build --quiet --package-path Benchmarks -c release --product bench-codecs $(SWIFT_FLAGS)
	@scripts/bench-codecs.sh

format: ## format the Swift sources in place
	swift format --in-place --recursive $(SWIFT_SOURCES)

lint: ## check the format of the Swift sources
	swift format lint --strict --recursive $(SWIFT_SOURCES)

clean-build: ## remove what was built by `swift build`
	rm -rf .build .build-* Fuzz/.build Benchmarks/.build
