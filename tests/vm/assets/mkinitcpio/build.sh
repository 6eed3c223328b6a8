#!/bin/bash
# An image by stand-ins for mkinitcpio, which no registry has: the functions that its documentation (mkinitcpio(8), and the
# Arch wiki's page on it) names for install scripts, as far as those of this bed call them. It is not mkinitcpio.
#
# build.sh VERSION HOOKS MODULES: writes /initramfs.img.

set -eu

shopt -s extglob

version=$1 hooks=$2 modules=$3
install=/usr/lib/initcpio/install
runtime=/usr/lib/initcpio/hooks
root=/buildroot
KERNELVERSION=$version BUILDROOT=$root
early=

warning() {
	local format=$1
	shift
	printf "warning: $format\n" "$@" >&2
}

add_file() {
	local from=$1 to=${2:-$1} mode=${3:-}
	mkdir -p "$root${to%/*}"
	cp --dereference --preserve=mode "$from" "$root$to"
	[ -z "$mode" ] || chmod "$mode" "$root$to"
}

add_symlink() {
	mkdir -p "$root${1%/*}"
	ln -sfn "$2" "$root$1"
}

# The libraries that a program names come along.
add_binary() {
	local from library
	from=$(type -P "$1")
	add_file "$from" "${2:-$from}" "${3:-}"
	for library in $({ ldd "$from" 2>/dev/null || true; } | grep -o '/[^ ]*'); do
		[ -e "$root$library" ] || add_file "$library"
	done
}

# With what it depends on.
add_module() {
	local word file
	modprobe --set-version "$version" --show-depends "$1" >/tmp/depends
	while read -r word file _; do
		[ "$word" = builtin ] || add_file "$file"
	done </tmp/depends
}

# The script of the same name is called at boot, early if it says so.
add_runscript() {
	local name=${BASH_SOURCE[1]##*/}
	add_file "$runtime/$name" "/hooks/$name" 755
	! grep -q '^run_earlyhook()' "$runtime/$name" || early="$early $name"
}

# Of the hook `systemd`, for those that come after it: what a unit runs comes along, but for what may fail.
add_systemd_unit() {
	[ -e "/usr/lib/systemd/system/$1" ] || return 1
	add_file "/usr/lib/systemd/system/$1"
	! grep -q '^ExecStart=[^-]' "/usr/lib/systemd/system/$1" || return 1
}

begin() {
	rm -rf $root
	mkdir -p $root/{dev,etc,hooks,new_root,proc,run,sys,tmp,usr/bin,usr/lib}
	ln -s usr/bin $root/bin
	ln -s usr/bin $root/sbin
	ln -s usr/lib $root/lib
	ln -s usr/lib $root/lib64
	ln -s bin $root/usr/sbin
}

run_install() {
	unset -f build help
	. "$install/$1"
	build
	[ -n "$(help)" ]
}

# What the hook for systemd adds is looked at by whoever builds; only the other one's image is booted.
begin
run_install sd-reseat
(cd $root && find . ! -type d -printf '%P %l\n') | sort >/tmp/sd-reseat.contents

begin
for hook in $hooks; do
	run_install "$hook"
done
for module in $modules; do
	add_module "$module"
done
add_binary busybox /usr/bin/busybox
for applet in $(busybox --list); do
	ln -sf busybox "$root/usr/bin/$applet"
done
add_binary kmod
for name in depmod insmod lsmod modprobe rmmod; do
	ln -sf kmod "$root/usr/bin/$name"
done
printf 'EARLYHOOKS="%s"\nMODULES="%s"\n' "$early" "$modules" >$root/config
add_file /tmp/sd-reseat.contents
add_file /usr/lib/initcpio/init /init 755
cp "/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$root/usr/lib/modules/$version/"
depmod -b $root "$version"
# Of the lists only what programs read stays.
rm "$root/usr/lib/modules/$version"/modules.!(*.bin|devname|softdep)
(cd $root && find . -print | cpio --quiet -o -H newc --owner 0:0) | lz4 -l -1 -q - /initramfs.img
