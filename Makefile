# Everything a user or a developer types. `make` alone lists it.

# Any folder of images, and where they go. Without OUTPUT: ./processed_images and ./processed_image_data.csv.
INPUT  ?= samples
OUTPUT ?= .
# More flags for the compiler, for build and test: SWIFT_FLAGS='-Xswiftc -warnings-as-errors'
SWIFT_FLAGS ?=
# For `make test-sanitize`: which sanitizers, and which tests.
SANITIZE ?= thread address
TESTS    ?=
export TESTS

# The recipes read these from the environment, so that spaces, quotes and $ in a folder's name reach the program as typed.
export DEMO_INPUT  = $(value INPUT)
export DEMO_OUTPUT = $(value OUTPUT)

SWIFT_SOURCES = Package.swift Sources Tests Fuzz/Package.swift Fuzz/Sources

# The targets build on one another, and SwiftPM keeps all cores busy by itself.
.NOTPARALLEL:
.PHONY: help deps build demo test test-chaos test-bounds test-sanitize fuzz format lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

deps: ## install the C libraries that are missing (apt-get; says so before), check the Swift toolchain
	@scripts/install-dependencies.sh

# Quiet is about progress alone: errors and warnings are shown all the same.
build: deps ## build the program, optimised: .build/release/image-pipeline
	@echo "Building image-pipeline (the first time takes a few minutes) ..."
	@swift build --quiet -c release --product image-pipeline $(SWIFT_FLAGS)

demo: build ## carry images through Kafka and verify them: make demo [INPUT=folder] [OUTPUT=folder]
	@.build/release/image-pipeline demo --input "$$DEMO_INPUT" --output "$$DEMO_OUTPUT"

# In two parts: the second starts brokers and programs, which the first one's load would only time out.
test: deps ## run all tests
	swift test $(SWIFT_FLAGS) --skip '^PipelineTests\.'
	swift test $(SWIFT_FLAGS) --skip-build --filter '^PipelineTests\.'

# Longer than in `make test`. With KAFKA_TEST_BOOTSTRAP_SERVERS a real broker is used, which is killed too where KAFKA_TEST_KILL
# and KAFKA_TEST_RESUME are commands for that; of KAFKA_TEST_NODES brokers these find the one that is meant in $NODE.
# CHAOS=killed or CHAOS=members is one of its two tests alone.
test-chaos: deps ## kill all parts at random, 200 times: make test-chaos [CHAOS_SEED=n] [CHAOS_KILLS=n]
	CHAOS_KILLS=$${CHAOS_KILLS:-200} swift test $(SWIFT_FLAGS) --filter '^PipelineTests\.ChaosTests/$(CHAOS)'

test-bounds: build ## measure memory in full: an image of 1 GB, 100,000 messages (needs KAFKA_TEST_BOOTSTRAP_SERVERS)
	TEST_BOUNDS=full TEST_PROGRAM="$$PWD/.build/release/image-pipeline" swift test $(SWIFT_FLAGS) \
	  --filter '^PipelineTests\.BoundsTests/'

test-sanitize: deps ## run all tests under ThreadSanitizer, then under AddressSanitizer [SANITIZE=thread] [TESTS=regex]
	@scripts/test-sanitize.sh $(SANITIZE)

fuzz: deps ## give the readers of what comes from outside hostile bytes: make fuzz [FUZZ_SECONDS=30]
	@scripts/fuzz.sh

format: ## format the Swift sources in place
	swift format --in-place --recursive $(SWIFT_SOURCES)

lint: ## check the format of the Swift sources
	swift format lint --strict --recursive $(SWIFT_SOURCES)

clean: ## remove what was built; images and CSV files stay
	rm -rf .build .build-* Fuzz/.build
