module tour.module {
    requires java.logging;
}
