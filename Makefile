# SPDX-License-Identifier: MIT
#
# The only build. `make` builds the programs into build/, as any user; `make demo` and `make check`
# need root and install what is missing. V=1 shows commands; SAN=1 builds with ASan and UBSan
# into build/san.

CC = gcc
CLANG = clang
BPFTOOL = bpftool
AR = ar
PREFIX = /usr
SYSCONFDIR = /etc
UNITDIR = /lib/systemd/system
VERSION := 0.1.0

B := build$(if $(SAN),/san)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
PATH := $(PATH):/usr/sbin:/sbin
export PATH

WARN = -Wall -Wextra -Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes
CFLAGS = -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' $(WARN) -iquote . -iquote $(B) \
	$(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer) $(CFLAGS)
BPF_CFLAGS = -O2 -g -fno-strict-aliasing -target bpf -mcpu=v3 -std=gnu11 $(filter-out -Wmissing-prototypes,$(WARN)) -iquote . \
	-I/usr/include/$(MULTIARCH)

LIBS_config = -lconfig
LIBS_control = -ljansson $(LIBS_config)
LIBS_daemon = -lxdp -lbpf -lmnl -lpcap -lsystemd -lcurl -lresolv $(LIBS_control)

config_SRC := $(wildcard config/*.c)
control_SRC := $(filter-out control/sluicectl.c,$(wildcard control/*.c))
daemon_SRC := $(filter-out daemon/main.c daemon/helper.c,$(wildcard daemon/*.c))
BPF_SRC := $(wildcard xdp/*.bpf.c)
SKELS := $(BPF_SRC:%.bpf.c=$(B)/%.skel.h)
BENCH_SKELS := $(patsubst %.bpf.c,$(B)/%.skel.h,$(wildcard bench/*.bpf.c bench/*/*.bpf.c))
TEST_LIB_SRC := $(filter-out %.bpf.c,$(wildcard tests/lib/*.c))
TEST_BPF := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.bpf.c))
HOST_SRC := $(wildcard tests/host/*.c)

obj = $(patsubst %.c,$(B)/%.o,$(1))
# A layer links itself and what lies below it.
CONFIG_A := $(B)/config.a
CONTROL_A := $(B)/control.a $(CONFIG_A)
DAEMON_A := $(B)/daemon.a $(CONTROL_A)

# Those of bench/ have a main of their own, the rest of it is theirs together.
bench_MAIN := bench/xdp_bench.c bench/ring_bench.c bench/plan_bench.c bench/check_bench.c bench/live.c
flow_model_SRC := $(wildcard bench/flow_model*.c)
bench_SRC := $(filter-out $(bench_MAIN) $(flow_model_SRC) %.bpf.c,$(wildcard bench/*.c))
BENCHES := $(B)/xdp-bench $(B)/ring-bench $(B)/plan-bench $(B)/check-bench $(B)/xdp-live $(B)/flow-model

PROGRAMS := $(B)/sluiced $(B)/sluicectl $(B)/sluice-helper

unit_config := $(patsubst %.c,$(B)/%,$(wildcard tests/config/test_*.c))
unit_control := $(patsubst %.c,$(B)/%,$(wildcard tests/control/test_*.c))
unit_daemon := $(patsubst %.c,$(B)/%,$(wildcard tests/daemon/test_*.c))
unit_xdp := $(patsubst %.c,$(B)/%,$(wildcard tests/xdp/test_*.c))
unit_bench := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/test_*.c))
UNITS := $(unit_config) $(unit_control) $(unit_daemon) $(unit_xdp) $(unit_bench)
# Programs that labs use.
TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c))

C_FILES := $(wildcard xdp/*.[ch] config/*.[ch] control/*.[ch] daemon/*.[ch] bench/*.[ch] bench/*/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])
SH_FILES := $(wildcard tests/*.sh tests/*/*.sh bench/*.sh) .ci/run

.PHONY: all tests deps demo check fuzz vm-check bench check-layers lint format install uninstall clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)
tests: all $(BENCHES) $(UNITS) $(TOOLS) $(TEST_BPF)

$(B)/%.a:
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(B)/config.a: $(call obj,$(config_SRC))
$(B)/control.a: $(call obj,$(control_SRC))
$(B)/daemon.a: $(call obj,$(daemon_SRC))
$(B)/bench.a: $(call obj,$(bench_SRC))
$(B)/testlib.a: $(call obj,$(TEST_LIB_SRC))
$(B)/host.a: $(call obj,$(HOST_SRC))

$(B)/%.o: %.c | $(SKELS)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# xdp/ for the host: its code reads frames at any address, and names its functions as BPF wants it.
HOST_CFLAGS = -I tests/host -fno-strict-aliasing -Wno-unknown-pragmas -Wno-missing-prototypes -fno-sanitize=alignment
$(B)/tests/host/program.o $(B)/bench/flow_model_program.o: ALL_CFLAGS += $(HOST_CFLAGS)

$(B)/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@ $<

# Written only when it differs, so that objects are rebuilt only when it does.
$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(subst -,_,$(notdir $*))_bpf > $@

$(B)/sluiced: $(B)/daemon/main.o $(DAEMON_A)
$(B)/sluice-helper: $(B)/daemon/helper.o $(DAEMON_A)
$(B)/sluicectl: $(B)/control/sluicectl.o $(CONTROL_A)
$(B)/sluiced $(B)/sluice-helper: LIBS = $(LIBS_daemon)
$(B)/sluicectl: LIBS = $(LIBS_control)

$(foreach l,config control daemon xdp bench,$(eval $(unit_$l): LIBS = $(LIBS_$(if $(filter xdp bench,$l),daemon,$l)) -lcmocka))
$(unit_config): $(B)/testlib.a $(CONFIG_A)
$(unit_control): $(B)/testlib.a $(CONTROL_A)
$(unit_xdp): $(B)/host.a
$(unit_daemon) $(unit_xdp): $(B)/testlib.a $(DAEMON_A)
$(unit_bench): $(B)/testlib.a $(B)/bench.a $(DAEMON_A)
$(UNITS): %: %.o

$(B)/xdp-bench: $(B)/bench/xdp_bench.o
$(B)/ring-bench: $(B)/bench/ring_bench.o
$(B)/plan-bench: $(B)/bench/plan_bench.o
$(B)/check-bench: $(B)/bench/check_bench.o
$(B)/xdp-live: $(B)/bench/live.o
$(B)/flow-model: $(call obj,$(flow_model_SRC))
$(BENCHES): $(B)/bench.a $(DAEMON_A)
$(BENCHES): LIBS = $(LIBS_daemon) -lm
$(call obj,$(bench_SRC) $(bench_MAIN)) $(unit_bench:=.o): | $(BENCH_SKELS)

$(TOOLS): %: %.o
$(B)/tests/tools/beside: LIBS = -lxdp -lbpf
$(B)/tests/tools/probe_path: $(DAEMON_A)
$(B)/tests/tools/probe_path: LIBS = $(LIBS_daemon)
$(B)/tests/tools/flood: LIBS = -lbpf
$(B)/tests/tools/frames: $(B)/testlib.a $(CONFIG_A)
$(B)/tests/tools/frames: LIBS = $(LIBS_config) -lcmocka

$(PROGRAMS) $(BENCHES) $(UNITS) $(TOOLS):
	$(call say,LD,$@)$(CC) $(ALL_CFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

deps:
	$(Q)tests/lib/deps.sh

# What is missing is installed first, then make starts anew with the tools in place.
demo: deps
	$(Q)$(MAKE) --no-print-directory all $(TEST_BPF)
	$(Q)tests/demo.sh $(if $(KEEP),--keep)

check: deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/run.sh $(B) $(SUITES)

# Any bytes as configs and as frames, with sanitizers, FUZZ_SECONDS each; inputs that led to something
# new are kept in build/fuzz.
FUZZ_SECONDS = 300
FUZZ = build/fuzz/load build/fuzz/packet
FUZZ_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) -iquote . -g -O1 -fsanitize=address,undefined \
	-fno-sanitize-recover=all
# Unrolled as BPF wants it, what is to be watched takes minutes to compile.
build/fuzz/tests/host/program.o: FUZZ_CFLAGS += $(HOST_CFLAGS) -mllvm -pragma-unroll-threshold=0 -Wno-pass-failed
build/fuzz/load: $(patsubst %.c,build/fuzz/%.o,tests/fuzz/fuzz_load.c $(config_SRC))
build/fuzz/packet: $(patsubst %.c,build/fuzz/%.o,tests/fuzz/fuzz_packet.c $(HOST_SRC) tests/lib/frame.c) $(DAEMON_A)

build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZ):
	$(call say,LD,$@)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS_daemon) -lcmocka

fuzz: deps
	$(Q)$(MAKE) --no-print-directory $(FUZZ)
	$(Q)tests/fuzz/run.sh load $(FUZZ_SECONDS)
	$(Q)tests/fuzz/run.sh packet $(FUZZ_SECONDS)

# QUICK=1: a minute instead of ten. DOCS=1: the report goes into docs/performance.md.
bench:
	$(Q)tests/lib/deps.sh gnuplot-nox
	$(Q)$(MAKE) --no-print-directory all $(BENCHES)
	$(Q)bench/report.sh $(B) $(if $(QUICK),--quick) $(if $(DOCS),--docs)

# On Debian's kernels, in machines that QEMU emulates.
vm-check: deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)tests/vm/run.sh $(B)

check-layers:
	$(Q)tests/lib/layers.sh

lint: check-layers
	$(Q)clang-format --dry-run --Werror $(C_FILES)
	$(Q)cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=memleak --suppress=preprocessorErrorDirective \
		--suppress=arithOperationsOnVoidPointer -I. -D__x86_64__ \
		"-DDECLARE_LIBXDP_OPTS(t, n, ...)=struct t n = {__VA_ARGS__}" \
		"-DDECLARE_LIBBPF_OPTS(t, n, ...)=struct t n = {__VA_ARGS__}" \
		"-DLIBBPF_OPTS(t, n, ...)=struct t n = {__VA_ARGS__}" \
		"-Djson_array_foreach(a, i, v)=while ((v = json_array_get(a, i = 0)))" \
		config control daemon $(filter-out %.bpf.c,$(wildcard bench/*.c))
	$(Q)shellcheck -x $(SH_FILES)

format:
	clang-format -i $(C_FILES)

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/sluice \
		$(DESTDIR)$(SYSCONFDIR)/sluice $(DESTDIR)$(UNITDIR)
	install -m 755 build/sluiced build/sluice-helper $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 build/sluicectl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 build/xdp/dispatcher.bpf.o $(DESTDIR)$(PREFIX)/lib/sluice/xdp-dispatcher.o
	install -m 644 config/sluiced.service config/sluice-helper.service $(DESTDIR)$(UNITDIR)/
	test -e $(DESTDIR)$(SYSCONFDIR)/sluice/sluice.conf || \
		install -m 640 config/sluice.conf $(DESTDIR)$(SYSCONFDIR)/sluice/sluice.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/sluice/helper.env || \
		install -m 644 config/helper.env $(DESTDIR)$(SYSCONFDIR)/sluice/helper.env

# What is in /etc/sluice stays: it is the operator's.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/sluiced $(DESTDIR)$(PREFIX)/sbin/sluice-helper
	rm -f $(DESTDIR)$(PREFIX)/bin/sluicectl $(DESTDIR)$(PREFIX)/lib/sluice/xdp-dispatcher.o
	rmdir $(DESTDIR)$(PREFIX)/lib/sluice 2>/dev/null || true
	rm -f $(DESTDIR)$(UNITDIR)/sluiced.service $(DESTDIR)$(UNITDIR)/sluice-helper.service

clean:
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
