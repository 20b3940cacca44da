// Opens a TAP device, with virtio headers and offloads or without.
#ifndef TAP_H
#define TAP_H

#include "shared.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>

static inline int open_tap(const char *name, int offloads)
{
    struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (offloads ? IFF_VNET_HDR : 0))};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0)
        fail("/dev/net/tun");
    if (ioctl(device, TUNSETIFF, &request))
        fail("device %s", name);
    int header = sizeof(struct virtio_net_hdr);
    if (offloads && ioctl(device, TUNSETVNETHDRSZ, &header))
        fail("virtio headers on %s", name);
    if (offloads && ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN))
        fail("offloads of %s", name);
    return device;
}

#endif
