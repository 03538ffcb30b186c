# The commands for users and developers. `make` alone lists them.

# A folder of images, and the folder for the output: by default ./processed_images and ./processed_image_data.csv.
INPUT  ?= samples
OUTPUT ?= .
# `make demo`: 1 to look at the pictures at http://localhost:8080.
PAGE     ?=
# `make up`: the number of consumers. `make messages`: how many of the newest messages. `make logs`: which services.
export CONSUMERS ?=
COUNT    ?= 10
# `make audit`: the number of images to read.
SAMPLE   ?= 0
SERVICES ?= producer consumer
# `make test-integration`: one, scaled, cluster or lite.
VARIANT  ?= one
# More flags for every build and test: SWIFT_FLAGS='-Xswiftc -warnings-as-errors'. Different flags build everything again.
SWIFT_FLAGS ?=
# A target imports only the targets that Package.swift lists for it.
LAYERS = --explicit-target-dependency-import-check error
FLAGS  = $(LAYERS) $(SWIFT_FLAGS)
# What runs the tests. SwiftPM lets one command at a time use .build; the tests' own program, once it is built, needs no SwiftPM:
# RUN_TESTS='.build/debug/image-pipelinePackageTests.xctest --testing-library swift-testing'
RUN_TESTS ?= swift test $(FLAGS)
# `make test`: a regular expression for the tests. `make test-sanitize`: the same, and which sanitizers.
TESTS    ?=
SANITIZE ?= thread address
export TESTS

# Recipes read these from the environment: spaces, quotes and $ in a folder's name reach the program as typed.
export DEMO_INPUT  = $(value INPUT)
export DEMO_OUTPUT = $(value OUTPUT)

SWIFT_SOURCES = Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources Benchmarks/Package.swift Benchmarks/Sources

# The targets depend on one another, and SwiftPM uses all cores by itself.
.NOTPARALLEL:
.PHONY: help up up-lite down clean ps logs topics messages audit doctor test-integration deps build demo test check build-tests test-chaos \
  test-bucket test-bounds test-outage test-page page-pictures test-sanitize fuzz bench bench-compare bench-store bench-growth bench-codecs format \
  lint clean-build

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { print "\n" substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-16s  %s\n", $$1, $$2 }' Makefile

##@ In containers (Docker)

up: ## start everything, with a page of the pictures at http://localhost:8080: make up [CONSUMERS=3]
	@scripts/up.sh

up-lite: ## the same with an open-source web UI, in a fraction of the memory
	@scripts/up.sh lite

down: ## stop everything; keep images, topics and the record of what was sent
	@docker compose down --remove-orphans

clean: ## stop everything, and delete topics, ledger and metrics after a question (YES=1: without); keep images and output
	@scripts/clean.sh

ps: ## show the containers and their state
	@docker compose ps --all

logs: ## follow the logs: make logs [SERVICES="broker consumer"]
	@docker compose logs --follow --tail 50 $(SERVICES)

topics: ## show the topics with their partitions
	@docker compose exec broker kafka-topics --describe --bootstrap-server broker:29092

messages: ## show the newest messages of the topic: make messages [COUNT=10]
	@docker compose exec producer /usr/bin/image-pipeline messages --count $(COUNT)

audit: ## see whether everything arrived, without reading images: make audit [SAMPLE=100]
	@docker compose run --rm --quiet-pull audit audit --sample $(SAMPLE)

doctor: ## check everything from client to disk for problems; each finding tells you how to fix it
	@scripts/doctor.sh

test-integration: ## test the round trip in containers of its own: make test-integration [VARIANT=cluster]
	@scripts/test-integration.sh $(VARIANT)

##@ Without containers

deps: ## check the Swift toolchain; install missing C libraries with apt-get, which is announced first
	@scripts/install-dependencies.sh

# --quiet hides the progress only: errors and warnings are still shown.
build: deps ## build the program, optimised: .build/release/image-pipeline
	@echo "Building image-pipeline (the first time takes a few minutes) ..."
	@swift build --quiet -c release --product image-pipeline $(FLAGS)

demo: build ## send images through an embedded Kafka and verify them: make demo [INPUT=folder] [OUTPUT=folder] [PAGE=1]
	@.build/release/image-pipeline demo --input "$$DEMO_INPUT" --output "$$DEMO_OUTPUT" $(if $(PAGE),--page)

# In two steps: the second starts brokers and programs, which would time out under the load of the first.
test: build-tests ## run all tests, or some: make test [TESTS='^SQLiteTests\.']
ifeq ($(value TESTS),)
	$(RUN_TESTS) --skip '^ProgramTests\.'
	$(RUN_TESTS) --filter '^ProgramTests\.'
else
	$(RUN_TESTS) --filter "$$TESTS"
endif

##@ For developers

check: lint build-tests ## before a commit, in a few minutes: format, build, and all tests but those that start the program
	$(RUN_TESTS) --skip '^ProgramTests\.'

build-tests: deps ## build everything that the tests need
	swift build --build-tests $(FLAGS)

# Longer than in `make test`. With KAFKA_TEST_BOOTSTRAP_SERVERS a real broker is used. It is killed too if KAFKA_TEST_KILL and
# KAFKA_TEST_RESUME are commands that kill and start it; if there are KAFKA_TEST_NODES brokers, $NODE tells them which one.
# CHAOS=killed, CHAOS=members or CHAOS=records selects tests by the beginning of their names.
test-chaos: deps ## kill all parts at random, 200 times: make test-chaos [CHAOS_SEED=n] [CHAOS_KILLS=n]
	CHAOS_KILLS=$${CHAOS_KILLS:-200} $(RUN_TESTS) --filter '^ProgramTests\.ChaosTests/$(CHAOS)'

# Needs root, for networks of its own. TEST_KAFKA and TEST_STORE are scripts with the commands start, kill and resume, and one folder each
# (KAFKA_DIR, S3_DIR). S3_SERVER is the kind of store. If it fails, everything is in .build/test-bucket.
test-bucket: deps ## kill consumers on three hosts, brokers and store, 200 times: make test-bucket TEST_KAFKA=script TEST_STORE=script
	@swift build --quiet --product image-pipeline $(FLAGS)
	/usr/bin/python3 Tests/Hosts/bucket_test.py

# A broker with a small heap can hold the large messages with JAVA_TOOL_OPTIONS=-Djdk.nio.maxCachedBufferSize=1000000.
test-bounds: build ## measure memory in full: an image of 1 GB, 100,000 messages (needs KAFKA_TEST_BOOTSTRAP_SERVERS)
	TEST_BOUNDS=full TEST_PROGRAM="$$PWD/.build/release/image-pipeline" $(RUN_TESTS) \
	  --filter '^ProgramTests\.(BoundsTests|HostileSizeTests)/'

# Needs KAFKA_TEST_BOOTSTRAP_SERVERS, and KAFKA_TEST_KILL and KAFKA_TEST_RESUME as above. A broker that creates topics on request
# (auto.create.topics.enable) re-creates the deleted one at once; without that setting it is away for a minute.
test-outage: deps ## stop the broker for minutes while images arrive, and delete the topic: make test-outage [OUTAGE_SECONDS=150]
	OUTAGE_SECONDS=$${OUTAGE_SECONDS:-150} $(RUN_TESTS) --filter '^ProgramTests\.OutageTests/'

# Needs Debian's packages chromium, chromium-driver and python3-selenium. PAGE_SHOTS=folder keeps pictures of the page. AXE is an
# axe.min.js, for the search for obstacles.
test-page: export TEST_PROGRAM = $(CURDIR)/.build/release/image-pipeline
test-page: export EMBEDDED_BROKER = $(CURDIR)/.build/release/EmbeddedBroker
test-page: build ## use the page as a person does, in a browser without a window
	@swift build --quiet -c release --product EmbeddedBroker $(FLAGS)
	for test in page numbers failures answers accessibility; do /usr/bin/python3 Tests/Browser/$${test}_test.py || exit; done

page-pictures: build ## take the README's pictures of the page again
	TEST_PROGRAM="$$PWD/.build/release/image-pipeline" /usr/bin/python3 Tests/Browser/readme_pictures.py

test-sanitize: deps ## run the tests under ThreadSanitizer and AddressSanitizer: make test-sanitize [SANITIZE=thread] [TESTS=regex]
	@scripts/test-sanitize.sh $(SANITIZE)

fuzz: deps ## feed hostile bytes to everything that reads foreign data: make fuzz [FUZZ_SECONDS=30]
	@scripts/fuzz.sh

# Needs a Kafka with its data in memory: KAFKA_BOOTSTRAP_SERVERS.
bench: build ## measure against Python programs and the limits of client and disk: make bench [BENCH="--sizes 60k --rounds 3"]
	@scripts/bench.sh $(BENCH)

bench-compare: build ## measure the working tree and another revision in turn: make bench-compare BASE=HEAD~1 [BENCH="--sizes 60k"]
	@scripts/bench-compare.sh "$(BASE)" $(BENCH)

bench-store: build ## measure a consumer of a bucket against a C program that only PUTs: make bench-store [BENCH="--sizes 60k"]
	@scripts/bench-store.sh $(BENCH)

bench-growth: build ## measure with 1,000,000 files and 10,000,000 rows: make bench-growth [BENCH="--files 100000"]
	@scripts/bench-growth.sh $(BENCH)

bench-codecs: deps ## measure Base64 and the envelope alone, against memcpy and pybase64
	@swift build --quiet --package-path Benchmarks -c release --product bench-codecs $(FLAGS)
	@scripts/bench-codecs.sh

format: ## format the Swift sources in place
	swift format --in-place --recursive $(SWIFT_SOURCES)

lint: ## check the format of the Swift sources
	swift format lint --strict --recursive $(SWIFT_SOURCES)

clean-build: ## remove all build products
	rm -rf .build .build-* Fuzz/.build Benchmarks/.build
